import { startGuardrail } from './evidence.js';
import type { Alarm, Evidence, GuardrailEvidence, NewEpoch } from './evidence.js';
import type { Count, Guardrail, Plan } from './plan.js';
import { freshRatio } from './sample-ratio.js';
import { beginStage, endWarmup, freezeThreshold, isTested, learnedThreshold } from './tested.js';
import { NO_TRAFFIC } from './traffic.js';

/** What a rollout's mark says of its metrics: how observations are counted, and T in ms where there is one. */
export type MarkedMetrics = Readonly<Record<string, { readonly count: Count; readonly over?: number }>>;

function learned(plan: Plan, evidence: Evidence | undefined, index: number): number | undefined {
  const guardrail = plan.guardrails[index];
  const known = evidence?.guardrails[index];
  if (guardrail?.kind !== 'quantile' || known?.kind !== 'tested')
    return guardrail?.kind === 'quantile' ? (guardrail.overMs ?? undefined) : undefined;
  return known.over ?? learnedThreshold(guardrail, known);
}

/** What the mark must say when the rule is written next: with T for every quantile that has one or has learned it by now. */
export function markedMetrics(plan: Plan, evidence?: Evidence): MarkedMetrics {
  const marked = new Map<string, { count: Count; over?: number }>();
  for (const [index, guardrail] of plan.guardrails.entries()) {
    const before = marked.get(guardrail.metric);
    const count = 'count' in guardrail ? guardrail.count : (before?.count ?? 'unit_window');
    const over = learned(plan, evidence, index) ?? before?.over;
    marked.set(guardrail.metric, { count, ...(over !== undefined && { over }) });
  }
  return Object.fromEntries(marked);
}

/**
 * True when a quantile has learned its T in a stage: the rule is to be written again with `markedMetrics`, in the same stage.
 * In the warm-up T waits for its end.
 */
export function hasLearned(plan: Plan, { phase, guardrails }: Evidence): boolean {
  return (
    phase === 'baking' &&
    guardrails.some((known, index) => {
      const guardrail = plan.guardrails[index];
      return (
        known.kind === 'tested' && guardrail?.kind === 'quantile' && learnedThreshold(guardrail, known) !== undefined
      );
    })
  );
}

function enterGuardrail(
  guardrail: Guardrail,
  known: GuardrailEvidence,
  entered: NewEpoch,
  before: Evidence,
): GuardrailEvidence {
  const { at, epoch } = entered;
  if (at === 'watch') return guardrail.kind === 'limit' ? startGuardrail(guardrail, epoch) : known;
  if (known.kind !== 'tested' || !isTested(guardrail) || at === 'warmup') return known;
  if (before.phase === 'warmup') return endWarmup(guardrail, known, epoch);
  const frozen = freezeThreshold(guardrail, known, epoch);
  return at.stage === before.stage ? frozen : beginStage(frozen);
}

/**
 * The evidence after the rule was written. T is frozen where it was learned; the end of the warm-up fixes the baseline's rate
 * and begins every E; a new stage begins its samples and proof anew, and sample ratios, while every E goes on; in the watch
 * the absolute limits begin anew and everything else stops.
 */
export function enterEpoch(plan: Plan, evidence: Evidence, entered: NewEpoch): Evidence {
  const { at, epoch, now } = entered;
  const stage = typeof at === 'string' ? evidence.stage : at.stage;
  const phase = typeof at === 'string' ? at : 'baking';
  const sameStage = phase === evidence.phase && stage === evidence.stage;
  return {
    ...evidence,
    phase,
    stage,
    epoch,
    epochSince: now,
    stageFrom: sameStage ? evidence.stageFrom : epoch,
    bakingFrom: phase === 'watch' ? epoch : (evidence.bakingFrom ?? (phase === 'baking' ? epoch : null)),
    guardrails: evidence.guardrails.map((known, index) => {
      const guardrail = plan.guardrails[index];
      return guardrail === undefined ? known : enterGuardrail(guardrail, known, entered, evidence);
    }),
    ratio: freshRatio(evidence.ratio),
    traffic: {
      ...NO_TRAFFIC,
      rate: evidence.traffic.rate,
      at: evidence.traffic.at,
      requests: sameStage ? evidence.traffic.requests : 0,
    },
    acknowledged: [],
  };
}

/** The evidence after an operator took note of an alarm: in this epoch nothing holds for it any more. */
export function acknowledge(evidence: Evidence, alarm: Alarm): Evidence {
  return { ...evidence, acknowledged: [...new Set([...evidence.acknowledged, alarm])] };
}
