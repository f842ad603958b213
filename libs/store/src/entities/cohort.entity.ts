import type { CohortRule } from '@fledge/evaluation';
import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryGeneratedColumn } from 'typeorm';
import { ProjectRow } from './project.entity.js';

/** A cohort without its members, which live in rows of their own. */
@Entity('cohort')
@Index('cohort_key', { synchronize: false })
export class CohortRow {
  @PrimaryGeneratedColumn('identity', { type: 'integer', generatedIdentity: 'ALWAYS' })
  id!: number;

  @Column('integer', { name: 'project_id' })
  projectId!: number;

  @ManyToOne(() => ProjectRow, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'project_id', foreignKeyConstraintName: 'cohort_project_fk' })
  project?: ProjectRow;

  @Column('text')
  key!: string;

  @Column('text')
  name!: string;

  @Column('text', { default: '' })
  description!: string;

  @Column('text', { nullable: true })
  attribute!: string | null;

  @Column('jsonb', { default: [] })
  rules!: CohortRule[];

  /** The cohorts that the rules name, derived at every write. */
  @Column('text', { array: true, default: [] })
  cohorts!: string[];

  @Column('integer', { default: 1 })
  version!: number;

  @Column('timestamptz', { name: 'created_at', default: () => 'now()' })
  createdAt!: Date;

  @Column('timestamptz', { name: 'updated_at', default: () => 'now()' })
  updatedAt!: Date;
}
