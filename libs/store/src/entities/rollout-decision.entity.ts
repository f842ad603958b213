import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryGeneratedColumn } from 'typeorm';
import { RolloutRow } from './rollout.entity.js';

/** What one tick of the reconciler decided, and why. Never changed, only appended. */
@Entity('rollout_decision')
@Index('rollout_decision_rollout', ['rolloutId', 'id'])
export class RolloutDecisionRow {
  @PrimaryGeneratedColumn('identity', { type: 'bigint', generatedIdentity: 'ALWAYS' })
  id!: string;

  @Column('uuid', { name: 'rollout_id' })
  rolloutId!: string;

  @ManyToOne(() => RolloutRow, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'rollout_id', foreignKeyConstraintName: 'rollout_decision_rollout_fk' })
  rollout?: RolloutRow;

  @Column('timestamptz')
  at!: Date;

  @Column('integer')
  epoch!: number;

  @Column('integer')
  stage!: number;

  @Column('double precision')
  percentage!: number;

  @Column('text')
  decision!: string;

  @Column('jsonb')
  reasons!: readonly string[];

  @Column('text')
  detail!: string;

  /** How long the stage has baked by this tick. */
  @Column('double precision', { name: 'baked_ms' })
  bakedMs!: number;
}
