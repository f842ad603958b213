import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryGeneratedColumn } from 'typeorm';
import type { ActorName } from '../actor.js';
import { RolloutRow, type RolloutPhase, type RolloutState } from './rollout.entity.js';

/** One transition: who did it and why, and where the rollout stood after it. Never changed, only appended. */
@Entity('rollout_event')
@Index('rollout_event_rollout', ['rolloutId', 'id'])
export class RolloutEventRow {
  @PrimaryGeneratedColumn('identity', { type: 'bigint', generatedIdentity: 'ALWAYS' })
  id!: string;

  @Column('uuid', { name: 'rollout_id' })
  rolloutId!: string;

  @ManyToOne(() => RolloutRow, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'rollout_id', foreignKeyConstraintName: 'rollout_event_rollout_fk' })
  rollout?: RolloutRow;

  @Column('timestamptz')
  at!: Date;

  @Column('text')
  type!: string;

  @Column('text')
  state!: RolloutState;

  @Column('text', { nullable: true })
  phase!: RolloutPhase | null;

  @Column('integer')
  stage!: number;

  @Column('double precision')
  percentage!: number;

  @Column('integer', { nullable: true })
  epoch!: number | null;

  /** Stable; scripts branch on it. */
  @Column('text', { nullable: true })
  reason!: string | null;

  /** The reason in a sentence with figures. */
  @Column('text', { nullable: true })
  detail!: string | null;

  @Column('text', { nullable: true })
  comment!: string | null;

  @Column('jsonb')
  actor!: ActorName;
}
