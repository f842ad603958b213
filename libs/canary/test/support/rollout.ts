import {
  bakeStep,
  completePlan,
  decide,
  enterEpoch,
  hasLearned,
  milliseconds,
  observe,
  startEvidence,
} from '@fledge/canary';
import type {
  ArmSums,
  Decision,
  Evidence,
  First,
  NewEpoch,
  Observation,
  Plan,
  PlanDocument,
  Progress,
  Sums,
  Window,
} from '@fledge/canary';
import { sumsOf } from './tested.js';

/** What an arm showed: first exposures, and sums of each metric. */
export function armOf(first: number, metrics: Readonly<Record<string, Sums>>): ArmSums {
  return { first: firstOf(first), metrics };
}

/** First exposures, spread evenly over the groups. */
export function firstOf(n: number): First {
  const groups = Array.from({ length: 64 }, (_, group) => Math.floor(n / 64) + (group < n % 64 ? 1 : 0));
  return { n, groups };
}

/** An arm with as many units as requests, of which so many failed; latencies without surprises. */
export function quietArm(n: number, failures = 0): ArmSums {
  return armOf(n, {
    errors: sumsOf(n, failures),
    latency: {
      ...sumsOf(n, Math.round(n / 20)),
      ...(n > 0 && { sketch: { o: 200, c: Array.from({ length: 100 }, () => n / 100) } }),
    },
  });
}

const NOTHING_ELSE: Observation = { fresh: true, killed: false, rollback: null, verdicts: [], gates: [] };

/** A rollout in memory, ticked once a window, as a reconciler would with a clock that never lies. */
export type Rollout = {
  readonly plan: Plan;
  readonly evidence: Evidence;
  readonly state: Progress['state'];
  readonly bakedMs: number;
  readonly now: number;
  readonly epoch: number;
};

export function startOf(document: PlanDocument): Rollout {
  const plan = completePlan(document);
  const at = milliseconds(plan.warmup) > 0 ? 'warmup' : { stage: 0 };
  return {
    plan,
    evidence: startEvidence(plan, { epoch: 1, now: 0, at }),
    state: 'running',
    bakedMs: 0,
    now: 0,
    epoch: 1,
  };
}

/** The rollout after its rule was written once more. */
export function entered(rollout: Rollout, at: NewEpoch['at']): Rollout {
  const epoch = rollout.epoch + 1;
  const evidence = enterEpoch(rollout.plan, rollout.evidence, { epoch, now: rollout.now, at });
  const stays = typeof at === 'object' && rollout.evidence.phase === 'baking' && at.stage === rollout.evidence.stage;
  return { ...rollout, evidence, epoch, bakedMs: stays ? rollout.bakedMs : 0 };
}

export function decided(
  rollout: Rollout,
  observation: Partial<Observation> = {},
  overridden: readonly number[] = [],
): Decision {
  const { plan, evidence, state, bakedMs, now } = rollout;
  return decide(plan, { state, bakedMs, evidence, overridden }, { ...NOTHING_ELSE, ...observation }, now);
}

/** One window passes: null for one in which nothing was reported. The decision is carried out, but for a rollback. */
export function tick(
  rollout: Rollout,
  arms: Pick<Window, 'canary' | 'baseline'> | null,
  observation: Partial<Observation> = {},
): { rollout: Rollout; decision: Decision } {
  const windowMs = milliseconds(rollout.plan.window);
  const now = rollout.now + windowMs;
  const window = arms && { ...arms, epoch: rollout.epoch, start: rollout.now };
  const seen = {
    ...rollout,
    now,
    evidence: window ? observe(rollout.plan, rollout.evidence, window) : rollout.evidence,
  };
  const decision = decided(seen, { fresh: window !== null, ...observation });
  const baked = { ...seen, bakedMs: seen.bakedMs + (decision.bakes ? bakeStep(rollout.now, now, windowMs) : 0) };
  if (decision.to !== null) return { decision, rollout: entered(baked, { stage: decision.to }) };
  const { stage, phase } = baked.evidence;
  if (phase === 'baking' && hasLearned(baked.plan, baked.evidence))
    return { decision, rollout: entered(baked, { stage }) };
  return { decision, rollout: baked };
}

/** Ticks until a decision is no `hold` that goes on, at most so often; what was decided in each tick. */
export function run(
  rollout: Rollout,
  ticks: number,
  arms: (rollout: Rollout) => Pick<Window, 'canary' | 'baseline'> | null,
  observation: Partial<Observation> = {},
): { rollout: Rollout; decisions: Decision[] } {
  const decisions: Decision[] = [];
  let at = rollout;
  for (let count = 0; count < ticks; count++) {
    const ticked = tick(at, arms(at), observation);
    at = ticked.rollout;
    decisions.push(ticked.decision);
    if (ticked.decision.action === 'rollback' || ticked.decision.action === 'complete') break;
  }
  return { rollout: at, decisions };
}
