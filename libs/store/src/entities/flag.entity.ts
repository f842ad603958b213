import type { FlagType, JsonValue } from '@fledge/evaluation';
import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryGeneratedColumn } from 'typeorm';
import { ProjectRow } from './project.entity.js';

/** The project-wide part of a flag. */
@Entity('flag')
@Index('flag_key', { synchronize: false })
@Index('flag_tags', { synchronize: false })
export class FlagRow {
  @PrimaryGeneratedColumn('identity', { type: 'integer', generatedIdentity: 'ALWAYS' })
  id!: number;

  @Column('integer', { name: 'project_id' })
  projectId!: number;

  @ManyToOne(() => ProjectRow, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'project_id', foreignKeyConstraintName: 'flag_project_fk' })
  project?: ProjectRow;

  @Column('text')
  key!: string;

  @Column('text')
  type!: FlagType;

  @Column('text')
  name!: string;

  @Column('text', { default: '' })
  description!: string;

  @Column('jsonb')
  variants!: Record<string, JsonValue>;

  @Column('jsonb', { name: 'variant_info', default: {} })
  variantInfo!: Record<string, { name?: string; description?: string }>;

  /** What new environments serve when nothing else is said. */
  @Column('text', { name: 'default_variant', nullable: true })
  defaultVariant!: string | null;

  @Column('text', { array: true, default: [] })
  tags!: string[];

  @Column('boolean', { default: false })
  permanent!: boolean;

  @Column('text', { nullable: true })
  owner!: string | null;

  @Column('jsonb', { default: {} })
  metadata!: Record<string, string | number | boolean>;

  @Column('timestamptz', { name: 'archived_at', nullable: true })
  archivedAt!: Date | null;

  @Column('integer', { default: 1 })
  version!: number;

  @Column('timestamptz', { name: 'created_at', default: () => 'now()' })
  createdAt!: Date;

  @Column('timestamptz', { name: 'updated_at', default: () => 'now()' })
  updatedAt!: Date;
}
