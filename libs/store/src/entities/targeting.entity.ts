import type { Measure, Prerequisite, Rule, Serve } from '@fledge/evaluation';
import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { EnvironmentRow } from './environment.entity.js';
import { FlagRow } from './flag.entity.js';

/** What one environment says about a flag. */
export type Targeting = {
  readonly enabled: boolean;
  readonly offVariant: string | null;
  readonly prerequisites: readonly Prerequisite[];
  readonly rules: readonly Rule[];
  readonly fallthrough: Serve | null;
  /** The mark of a completed rollout that is still being watched; only rollouts write it. */
  readonly measure?: Measure;
};

@Entity('targeting')
@Index('targeting_environment', ['environmentId'])
@Index('targeting_cohorts', { synchronize: false })
@Index('targeting_prerequisites', { synchronize: false })
export class TargetingRow {
  @PrimaryColumn('integer', { name: 'flag_id', primaryKeyConstraintName: 'targeting_pkey' })
  flagId!: number;

  @PrimaryColumn('integer', { name: 'environment_id', primaryKeyConstraintName: 'targeting_pkey' })
  environmentId!: number;

  @ManyToOne(() => FlagRow, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'flag_id', foreignKeyConstraintName: 'targeting_flag_fk' })
  flag?: FlagRow;

  @ManyToOne(() => EnvironmentRow, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'environment_id', foreignKeyConstraintName: 'targeting_environment_fk' })
  environment?: EnvironmentRow;

  @Column('jsonb')
  document!: Targeting;

  /** The environment's version at the last change of this document, its project-wide part included. */
  @Column('integer')
  version!: number;

  /** The cohorts that the document names, derived at every write so that "who names this cohort?" is an index look-up. */
  @Column('text', { array: true, default: [] })
  cohorts!: string[];

  /** The flags that the document's prerequisites name, derived likewise. */
  @Column('text', { array: true, default: [] })
  prerequisites!: string[];

  @Column('timestamptz', { name: 'updated_at', default: () => 'now()' })
  updatedAt!: Date;
}
