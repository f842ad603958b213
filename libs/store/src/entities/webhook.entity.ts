import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryGeneratedColumn } from 'typeorm';
import { ProjectRow } from './project.entity.js';

/** An address that is told of rollouts. */
@Entity('webhook')
@Index('webhook_key', { synchronize: false })
export class WebhookRow {
  /** Also what its secrets are sealed for. */
  @PrimaryGeneratedColumn('uuid')
  id!: string;

  @Column('integer', { name: 'project_id' })
  projectId!: number;

  @ManyToOne(() => ProjectRow, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'project_id', foreignKeyConstraintName: 'webhook_project_fk' })
  project?: ProjectRow;

  @Column('text')
  key!: string;

  @Column('text', { default: '' })
  description!: string;

  @Column('text')
  url!: string;

  @Column('text', { array: true })
  events!: string[];

  /** null: every environment of the project. */
  @Column('integer', { name: 'environment_ids', array: true, nullable: true })
  environmentIds!: number[] | null;

  @Column('boolean', { default: true })
  enabled!: boolean;

  /** Sealed. */
  @Column('bytea')
  secret!: Buffer;

  /** The one before, sealed: until its grace is over what is sent carries its signature, too. */
  @Column('bytea', { name: 'old_secret', nullable: true })
  oldSecret!: Buffer | null;

  @Column('timestamptz', { name: 'old_secret_until', nullable: true })
  oldSecretUntil!: Date | null;

  @Column('integer', { default: 1 })
  version!: number;

  @Column('timestamptz', { name: 'created_at', default: () => 'now()' })
  createdAt!: Date;

  @Column('timestamptz', { name: 'updated_at', default: () => 'now()' })
  updatedAt!: Date;
}
