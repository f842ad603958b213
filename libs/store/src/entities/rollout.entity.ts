import type { Evidence, Plan } from '@fledge/canary';
import type { Condition } from '@fledge/evaluation';
import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryGeneratedColumn } from 'typeorm';
import type { ActorName } from '../actor.js';
import { EnvironmentRow } from './environment.entity.js';
import { FlagRow } from './flag.entity.js';
import { ProjectRow } from './project.entity.js';

export type RolloutState = 'scheduled' | 'running' | 'paused' | 'completed' | 'rolled_back' | 'cancelled';
export type RolloutPhase = 'warmup' | 'baking' | 'awaiting_gate';

/** Where the rollout's rule stands among the flag's other rules. */
export type RolloutPosition = 'first' | 'last' | { readonly before: string };

/** What the start was allowed to do; kept for a start at a date and for a retry. */
export type RolloutOptions = {
  readonly enable?: boolean;
  readonly acceptMoves?: boolean;
  readonly sharedSalt?: boolean;
};

/** Who has said yes to leaving the stage. */
export type Approval = { readonly actor: ActorName; readonly comment: string | null; readonly at: string };

/** An outside judge's word, until it lapses. */
export type Verdict = {
  readonly verdict: 'pass' | 'fail' | 'inconclusive';
  readonly reason: string;
  readonly until: string;
};

/** What a gate's webhook answered last in this stage. */
export type GateAnswer = { readonly open: boolean; readonly detail: string; readonly at: string };

@Entity('rollout')
@Index('rollout_live', { synchronize: false })
@Index('rollout_external_key', { synchronize: false })
@Index('rollout_due', { synchronize: false })
@Index('rollout_gate_due', { synchronize: false })
@Index('rollout_environment', ['environmentId', 'createdAt'])
export class RolloutRow {
  @PrimaryGeneratedColumn('uuid')
  id!: string;

  @Column('integer', { name: 'project_id' })
  projectId!: number;

  @ManyToOne(() => ProjectRow, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'project_id', foreignKeyConstraintName: 'rollout_project_fk' })
  project?: ProjectRow;

  @Column('integer', { name: 'environment_id' })
  environmentId!: number;

  @ManyToOne(() => EnvironmentRow, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'environment_id', foreignKeyConstraintName: 'rollout_environment_fk' })
  environment?: EnvironmentRow;

  @Column('integer', { name: 'flag_id' })
  flagId!: number;

  @ManyToOne(() => FlagRow, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'flag_id', foreignKeyConstraintName: 'rollout_flag_fk' })
  flag?: FlagRow;

  /** Chosen by the client: starting twice with one key is one rollout. */
  @Column('text', { name: 'external_key', nullable: true })
  externalKey!: string | null;

  @Column('text')
  state!: RolloutState;

  /** null unless running or paused. */
  @Column('text', { nullable: true })
  phase!: RolloutPhase | null;

  @Column('integer', { default: 0 })
  stage!: number;

  /** Of the audience, that gets the canary now. */
  @Column('double precision', { default: 0 })
  percentage!: number;

  @Column('text')
  canary!: string;

  @Column('text')
  baseline!: string;

  @Column('jsonb', { default: [] })
  audience!: readonly Condition[];

  @Column('text', { name: 'bucket_by' })
  bucketBy!: string;

  @Column('text')
  salt!: string;

  @Column('jsonb')
  position!: RolloutPosition;

  /** The one rule of the flag that is the rollout's. */
  @Column('text', { name: 'rule_id' })
  ruleId!: string;

  @Column('text', { name: 'plan_key', nullable: true })
  planKey!: string | null;

  @Column('jsonb')
  plan!: Plan;

  @Column('jsonb', { default: {} })
  options!: RolloutOptions;

  /** The environment's version of the change that wrote the rule last; null before the start. */
  @Column('integer', { nullable: true })
  epoch!: number | null;

  @Column('jsonb', { default: [] })
  reasons!: readonly string[];

  /** The newest reason in a sentence with figures. */
  @Column('text', { nullable: true })
  detail!: string | null;

  /** The stage's bake so far in ms; in the warm-up the warm-up's time, after completion the watch's. */
  @Column('double precision', { name: 'baked_ms', default: 0 })
  bakedMs!: number;

  /** Indices of guardrails that a promotion has overridden: they only warn from then on. */
  @Column('jsonb', { default: [] })
  overridden!: readonly number[];

  @Column('jsonb', { nullable: true })
  evidence!: Evidence | null;

  /** Of this stage only. */
  @Column('jsonb', { default: [] })
  approvals!: readonly Approval[];

  /** By source. */
  @Column('jsonb', { default: {} })
  verdicts!: Readonly<Record<string, Verdict>>;

  /** Of this stage only, by the gate's index. */
  @Column('jsonb', { default: {} })
  gates!: Readonly<Record<string, GateAnswer>>;

  /** When its webhook gates are asked next; null: nobody waits for them. */
  @Column('timestamptz', { name: 'gate_due_at', nullable: true })
  gateDueAt!: Date | null;

  /** Who is asking them: whoever holds another lease answers too late. */
  @Column('uuid', { name: 'gate_lease', nullable: true })
  gateLease!: string | null;

  @Column('timestamptz', { name: 'start_at', nullable: true })
  startAt!: Date | null;

  @Column('timestamptz', { name: 'started_at', nullable: true })
  startedAt!: Date | null;

  @Column('timestamptz', { name: 'ended_at', nullable: true })
  endedAt!: Date | null;

  @Column('timestamptz', { name: 'last_tick_at', nullable: true })
  lastTickAt!: Date | null;

  /** null: the reconciler has nothing to do with it any more. */
  @Column('timestamptz', { name: 'next_check_at', nullable: true })
  nextCheckAt!: Date | null;

  /** Until when absolute limits are watched after completion. */
  @Column('timestamptz', { name: 'watch_until', nullable: true })
  watchUntil!: Date | null;

  /** Ticks that failed in a row. */
  @Column('integer', { default: 0 })
  failures!: number;

  /** Who started it: nobody approves what he started himself where four eyes are asked for. */
  @Column('jsonb', { name: 'started_by' })
  startedBy!: ActorName;

  @Column('uuid', { name: 'retry_of', nullable: true })
  retryOf!: string | null;

  /** Counts transitions, not ticks. */
  @Column('integer', { default: 1 })
  version!: number;

  @Column('timestamptz', { name: 'created_at', default: () => 'now()' })
  createdAt!: Date;

  @Column('timestamptz', { name: 'updated_at', default: () => 'now()' })
  updatedAt!: Date;
}
