import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryGeneratedColumn } from 'typeorm';
import { ProjectRow } from './project.entity.js';

export type TokenKind = 'management' | 'sdk' | 'client';
export type Role = 'admin' | 'editor' | 'operator' | 'viewer';

/** A token is known by its SHA-256 alone; the text is shown once, when it is made. */
@Entity('token')
@Index('token_hash', ['hash'], { unique: true })
@Index('token_replaces', { synchronize: false })
export class TokenRow {
  @PrimaryGeneratedColumn('uuid')
  id!: string;

  @Column('text')
  name!: string;

  @Column('text')
  kind!: TokenKind;

  @Column('text', { nullable: true })
  role!: Role | null;

  /** null: every project. */
  @Column('integer', { name: 'project_id', nullable: true })
  projectId!: number | null;

  @ManyToOne(() => ProjectRow, { onDelete: 'CASCADE', nullable: true })
  @JoinColumn({ name: 'project_id', foreignKeyConstraintName: 'token_project_fk' })
  project?: ProjectRow;

  /** null: every environment of the project; of an SDK or client key exactly one. */
  @Column('integer', { name: 'environment_ids', array: true, nullable: true })
  environmentIds!: number[] | null;

  @Column('bytea')
  hash!: Buffer;

  /** The first characters, so that a person can tell tokens apart. */
  @Column('text')
  hint!: string;

  /** null: every flag; else only flags with one of these tags, and what they need. */
  @Column('text', { array: true, nullable: true })
  tags!: string[] | null;

  /** null: any origin. */
  @Column('text', { name: 'allowed_origins', array: true, nullable: true })
  allowedOrigins!: string[] | null;

  /** The token that this one was made to take over from. */
  @Column('uuid', { nullable: true })
  replaces!: string | null;

  /** Of a session: who signed in, by the id that the provider gives them. */
  @Column('text', { nullable: true })
  person!: string | null;

  @Column('timestamptz', { name: 'expires_at', nullable: true })
  expiresAt!: Date | null;

  @Column('timestamptz', { name: 'last_used_at', nullable: true })
  lastUsedAt!: Date | null;

  @Column('timestamptz', { name: 'revoked_at', nullable: true })
  revokedAt!: Date | null;

  @Column('integer', { default: 1 })
  version!: number;

  @Column('timestamptz', { name: 'created_at', default: () => 'now()' })
  createdAt!: Date;
}
