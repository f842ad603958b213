import type { Arm, ArmSums } from '@fledge/canary';
import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';

/** One window of one epoch of a rollout. Whoever adds to it holds its row for share, whoever reads it marks it read. */
@Entity('outcome_window')
@Index('outcome_window_start', ['start'])
export class OutcomeWindowRow {
  @PrimaryColumn('uuid', { name: 'rollout_id', primaryKeyConstraintName: 'outcome_window_pkey' })
  rolloutId!: string;

  @PrimaryColumn('integer', { primaryKeyConstraintName: 'outcome_window_pkey' })
  epoch!: number;

  /** Epoch milliseconds, a multiple of the plan's window. */
  @PrimaryColumn('bigint', { primaryKeyConstraintName: 'outcome_window_pkey' })
  start!: string;

  @Column('timestamptz', { name: 'read_at', nullable: true })
  readAt!: Date | null;
}

/** What one writer has added to a window: nobody else writes this row. The window's sums are those of all its parts. */
@Entity('outcome_part')
export class OutcomePartRow {
  @PrimaryColumn('uuid', { name: 'rollout_id', primaryKeyConstraintName: 'outcome_part_pkey' })
  rolloutId!: string;

  @PrimaryColumn('integer', { primaryKeyConstraintName: 'outcome_part_pkey' })
  epoch!: number;

  @PrimaryColumn('bigint', { primaryKeyConstraintName: 'outcome_part_pkey' })
  start!: string;

  @ManyToOne(() => OutcomeWindowRow, { onDelete: 'CASCADE' })
  @JoinColumn([
    { name: 'rollout_id', referencedColumnName: 'rolloutId', foreignKeyConstraintName: 'outcome_part_window_fk' },
    { name: 'epoch', referencedColumnName: 'epoch', foreignKeyConstraintName: 'outcome_part_window_fk' },
    { name: 'start', referencedColumnName: 'start', foreignKeyConstraintName: 'outcome_part_window_fk' },
  ])
  window?: OutcomeWindowRow;

  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'outcome_part_pkey' })
  part!: string;

  @Column('json')
  arms!: Record<Arm, ArmSums>;
}

/** The newest epoch of a rollout that a process was seen to serve, and when. */
@Entity('outcome_instance')
@Index('outcome_instance_seen', ['seenAt'])
export class OutcomeInstanceRow {
  @PrimaryColumn('uuid', { name: 'rollout_id', primaryKeyConstraintName: 'outcome_instance_pkey' })
  rolloutId!: string;

  @PrimaryColumn('text', { primaryKeyConstraintName: 'outcome_instance_pkey' })
  instance!: string;

  @Column('integer')
  epoch!: number;

  @Column('timestamptz', { name: 'seen_at' })
  seenAt!: Date;
}
