import type { Change, Cohort, Flag } from '@fledge/evaluation';
import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { EnvironmentRow } from './environment.entity.js';

/**
 * What a change did to an environment's snapshot. Members of cohorts are not in it but in their rows:
 * `cohorts` are sent with all their present members, of `members` only what this change added and removed is sent.
 */
export type StoredPatch = {
  readonly flags?: Readonly<Record<string, Flag>>;
  readonly cohorts?: Readonly<Record<string, Omit<Cohort, 'included' | 'excluded'> & { readonly id: number }>>;
  readonly members?: Readonly<Record<string, number>>;
  readonly removed?: NonNullable<Change['removed']>;
};

/** The log that replicas follow: one row per environment and version, without a gap. */
@Entity('environment_change')
@Index('environment_change_change', ['changeId'])
@Index('environment_change_flags', { synchronize: false })
@Index('environment_change_cohorts', { synchronize: false })
export class EnvironmentChangeRow {
  @PrimaryColumn('integer', { name: 'environment_id', primaryKeyConstraintName: 'environment_change_pkey' })
  environmentId!: number;

  @PrimaryColumn('integer', { primaryKeyConstraintName: 'environment_change_pkey' })
  version!: number;

  @ManyToOne(() => EnvironmentRow, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'environment_id', foreignKeyConstraintName: 'environment_change_environment_fk' })
  environment?: EnvironmentRow;

  @Column('text')
  revision!: string;

  @Column('timestamptz')
  at!: Date;

  @Column('bigint', { name: 'change_id' })
  changeId!: string;

  @Column('jsonb')
  patch!: StoredPatch;

  /** The flags that the patch brings or removes: where the past of one is looked up. */
  @Column('text', { array: true })
  flags!: string[];

  /** The cohorts that the patch brings or removes whole. */
  @Column('text', { array: true })
  cohorts!: string[];
}
