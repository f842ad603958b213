import { Column, Entity, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { RolloutDecisionRow } from './rollout-decision.entity.js';

/** What one guardrail said at one tick: its evidence against its limit, and the sums of both arms so far. */
@Entity('rollout_check')
export class RolloutCheckRow {
  @PrimaryColumn('bigint', { name: 'decision_id', primaryKeyConstraintName: 'rollout_check_pkey' })
  decisionId!: string;

  /** Its index in the plan. */
  @PrimaryColumn('integer', { primaryKeyConstraintName: 'rollout_check_pkey' })
  guardrail!: number;

  @Column('text')
  name!: string;

  @ManyToOne(() => RolloutDecisionRow, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'decision_id', foreignKeyConstraintName: 'rollout_check_decision_fk' })
  decision?: RolloutDecisionRow;

  @Column('double precision', { name: 'log_e', nullable: true })
  logE!: number | null;

  @Column('double precision', { name: 'log_limit', nullable: true })
  logLimit!: number | null;

  @Column('jsonb', { nullable: true })
  canary!: { n: number; k: number } | null;

  @Column('jsonb', { nullable: true })
  control!: { n: number; k: number } | null;

  @Column('text')
  verdict!: string;
}
