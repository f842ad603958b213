import { checkGuardrails, figures, type GuardrailCheck, type Plan, type StageForecast } from '@fledge/canary';
import type { Condition, Problem } from '@fledge/evaluation';
import type { ActorName } from '../actor.js';
import { iso } from '../documents.js';
import type {
  Approval,
  GateAnswer,
  RolloutPhase,
  RolloutPosition,
  RolloutRow,
  RolloutState,
} from '../entities/rollout.entity.js';
import type { Seen } from '../telemetry/instances.js';
import { allowedCommands, type RolloutCommand } from './commands.js';
import { progressText, samplesOf } from './progress-text.js';

/** A rollout as the API shows it. */
export type RolloutDocument = {
  readonly id: string;
  readonly externalKey: string | null;
  readonly project: string;
  readonly environment: string;
  readonly flag: string;
  readonly state: RolloutState;
  readonly phase: RolloutPhase | null;
  readonly stage: number;
  readonly percentage: number;
  readonly canary: string;
  readonly baseline: string;
  readonly audience: readonly Condition[];
  readonly bucketBy: string;
  readonly salt: string;
  readonly position: RolloutPosition;
  readonly ruleId: string;
  readonly planKey: string | null;
  readonly plan: Plan;
  readonly epoch: number | null;
  /** Why it stands where it stands, in words that scripts branch on. */
  readonly reasons: readonly string[];
  /** The newest of them in a sentence with figures. */
  readonly detail: string | null;
  /** Where it stands, for people, with figures. */
  readonly progress: string;
  readonly bakedMs: number;
  /** Of this stage: the canary's requests and first exposures. */
  readonly samples: { readonly requests: number; readonly units: number };
  readonly approvals: readonly Approval[];
  /** What the webhook gates of this stage answered last, by their index among the gates ahead. */
  readonly gates: Readonly<Record<string, GateAnswer>>;
  /** What outside judges said last, by source, and until when it holds. */
  readonly verdicts: RolloutRow['verdicts'];
  /** Guardrails that a promotion has overridden, by their index in the plan. */
  readonly overridden: readonly number[];
  /** Commands that are legal now. */
  readonly allowed: readonly RolloutCommand[];
  readonly startAt: string | null;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly watchUntil: string | null;
  readonly startedBy: ActorName;
  readonly retryOf: string | null;
  readonly version: number;
  readonly createdAt: string;
  readonly updatedAt: string;
  /** Which processes reported it in the last minute; of one rollout that was asked for. */
  readonly seen?: Seen;
  /** What each stage can expect; of a start. */
  readonly forecast?: readonly StageForecast[];
  readonly warnings?: readonly Problem[];
};

/** The keys of where a rollout is. */
export type RolloutPlace = {
  readonly owner: { readonly key: string };
  readonly environment: { readonly key: string };
  readonly flag: { readonly key: string };
};

export const rolloutDocument = (row: RolloutRow, place: RolloutPlace): RolloutDocument => ({
  id: row.id,
  externalKey: row.externalKey,
  project: place.owner.key,
  environment: place.environment.key,
  flag: place.flag.key,
  state: row.state,
  phase: row.phase,
  stage: row.stage,
  percentage: row.percentage,
  canary: row.canary,
  baseline: row.baseline,
  audience: row.audience,
  bucketBy: row.bucketBy,
  salt: row.salt,
  position: row.position,
  ruleId: row.ruleId,
  planKey: row.planKey,
  plan: row.plan,
  epoch: row.epoch,
  reasons: row.reasons,
  detail: row.detail,
  progress: progressText(row),
  bakedMs: row.bakedMs,
  samples: samplesOf(row),
  approvals: row.approvals,
  gates: row.gates,
  verdicts: row.verdicts,
  overridden: row.overridden,
  allowed: allowedCommands(row),
  startAt: row.startAt === null ? null : iso(row.startAt),
  startedAt: row.startedAt === null ? null : iso(row.startedAt),
  endedAt: row.endedAt === null ? null : iso(row.endedAt),
  watchUntil: row.watchUntil === null ? null : iso(row.watchUntil),
  startedBy: row.startedBy,
  retryOf: row.retryOf,
  version: row.version,
  createdAt: iso(row.createdAt),
  updatedAt: iso(row.updatedAt),
});

/** What the change log keeps of a rollout: what a transition changes, without the figures that every tick changes. */
export function rolloutRecord(row: RolloutRow, place: RolloutPlace): object {
  const { progress: _, bakedMs: __, samples: ___, allowed: ____, ...kept } = rolloutDocument(row, place);
  return kept;
}

/** How the guardrails of a rollout stand; none before its start. */
export const checksOf = ({
  plan,
  evidence,
  overridden,
}: Pick<RolloutRow, 'plan' | 'evidence' | 'overridden'>): readonly GuardrailCheck[] =>
  evidence === null ? [] : checkGuardrails(plan, evidence, overridden);

/** What somebody says of a rollout, and how its guardrails stand at that moment. */
export function withFigures(said: string, rollout: Pick<RolloutRow, 'plan' | 'evidence' | 'overridden'>): string {
  const shown = checksOf(rollout).filter(({ canary }) => canary.n > 0);
  return [said, ...shown.map(figures)].join('; ');
}
