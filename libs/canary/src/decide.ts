import { isOpen } from './calendar.js';
import { checkGuardrails } from './check.js';
import type { Decision, GuardrailCheck, Observation, Progress, Reason } from './decision.js';
import { doubt } from './doubt.js';
import { milliseconds } from './duration.js';
import { harm, orders } from './harm.js';
import { lack, warmupLacks } from './lack.js';
import type { Plan, Stage, StageGate } from './plan.js';
import { reason } from './reasons.js';
import { learnedThreshold } from './tested.js';

const WARMUP_PATIENCE = 3;

/** The gates that must be open before the rollout leaves a stage: its own, and those of a stage of 100 that follows. */
export function gatesAhead(plan: Plan, stage: number): readonly StageGate[] {
  const next = plan.stages[stage + 1];
  return [...(plan.stages[stage]?.gates ?? []), ...(next?.percentage === 100 ? next.gates : [])];
}

/** Where a gate is asked, without its path: what is said of a rollout goes to others, and paths may be secrets. */
const originOf = (url: string): string => /^https?:\/\/[^/?#]+/.exec(url)?.[0] ?? 'its address';

/** Step 8: the gates that are closed; who approves is asked only when everything else is open. */
function closedGates(plan: Plan, stage: number, opened: readonly boolean[], now: number): Reason[] {
  const closed: Reason[] = [];
  const approvals: Reason[] = [];
  for (const [index, gate] of gatesAhead(plan, stage).entries()) {
    if (gate.type === 'window' ? isOpen(gate, now) : opened[index] === true) continue;
    if (gate.type === 'window')
      closed.push(
        reason('gate_window', `Waits for ${gate.days.join(', ')} ${gate.from} to ${gate.to} in ${gate.timeZone}.`),
      );
    else if (gate.type === 'webhook')
      closed.push(reason('gate_webhook', `Waits for ${originOf(gate.url)} to say yes.`));
    else
      approvals.push(
        reason(
          'awaiting_approval',
          gate.fourEyes ? 'Waits for the approval of a second person.' : 'Waits for an approval.',
        ),
      );
  }
  return closed.length > 0 ? closed : approvals;
}

type Outcome = Omit<Decision, 'why' | 'checks' | 'bakes'>;

const QUIET = { to: null, awaitsGate: false, inconclusive: false } as const;

/** What stands at a step: a hold, unless more is said. */
function standing(step: number, reasons: readonly Reason[], more: Partial<Outcome> = {}): Outcome {
  return { ...QUIET, action: 'hold', step, reasons, ...more };
}

function spent(bakedMs: number, wanted: number): string {
  return `${Math.floor(bakedMs / 1000)} of ${Math.floor(wanted / 1000)} s`;
}

/** Step 4 in the warm-up, and its end: stage 0. */
function warmUp(plan: Plan, { bakedMs, evidence }: Progress, checks: readonly GuardrailCheck[]): Outcome {
  const wanted = milliseconds(plan.warmup);
  if (bakedMs < wanted) return standing(4, [reason('warming_up', `Warms up: ${spent(bakedMs, wanted)}.`)]);
  const lacking = warmupLacks(plan, evidence, checks, (index) => {
    const [guardrail, known] = [plan.guardrails[index], evidence.guardrails[index]];
    return (
      guardrail?.kind === 'quantile' && known?.kind === 'tested' && learnedThreshold(guardrail, known) !== undefined
    );
  });
  if (lacking.length > 0 && bakedMs < WARMUP_PATIENCE * wanted)
    return standing(4, [reason('warming_up', `Warms up until there is enough of control: ${lacking.join('; ')}.`)]);
  return { ...QUIET, action: 'advance', step: 9, to: 0, reasons: [reason('warmed_up', 'The warm-up is over.')] };
}

/** Step 4 in the watch, and its end. */
function watch(plan: Plan, { bakedMs }: Progress): Outcome {
  const wanted = milliseconds(plan.watch);
  if (bakedMs < wanted)
    return standing(4, [reason('watching', `Watches the absolute limits: ${spent(bakedMs, wanted)}.`)]);
  return { ...QUIET, action: 'complete', step: 9, reasons: [reason('watch_over', 'The watch is over.')] };
}

function pass(plan: Plan, stage: number, waived: readonly Reason[]): Outcome {
  const next = plan.stages[stage + 1];
  const last = next === undefined || next.percentage === 100;
  const to = next === undefined ? null : stage + 1;
  const reasons = [
    reason('stage_passed', `Stage ${stage} at ${plan.stages[stage]?.percentage ?? 0} % passed.`),
    ...waived,
  ];
  return {
    action: last ? 'complete' : 'advance',
    step: 9,
    to,
    awaitsGate: false,
    inconclusive: waived.length > 0,
    reasons,
  };
}

/** Steps 4 to 9 of a stage. */
function bake(
  plan: Plan,
  stage: Stage,
  progress: Progress,
  observation: Observation,
  checks: readonly GuardrailCheck[],
  now: number,
): Outcome {
  const { bakedMs, evidence } = progress;
  const wanted = milliseconds(stage.minBake);
  // Without a window of this epoch a stage of no bake would be left unseen.
  if (bakedMs < wanted || evidence.traffic.lastBlock === null)
    return standing(4, [
      reason('baking', `Stage ${evidence.stage} at ${stage.percentage} % bakes: ${spent(bakedMs, wanted)}.`),
    ]);
  const { step, reasons: lacking } = lack(plan, stage, evidence, checks);
  const over = bakedMs >= milliseconds(stage.maxBake);
  if (lacking.length > 0 && !over) return standing(step, lacking);
  const waived =
    lacking.length === 0
      ? []
      : [reason('inconclusive', `Baked ${stage.maxBake} without what was asked for.`), ...lacking];
  if (waived.length > 0 && stage.onInconclusive !== 'advance')
    return standing(7, waived, { action: stage.onInconclusive, inconclusive: true });
  const closed = closedGates(plan, evidence.stage, observation.gates, now);
  if (closed.length > 0)
    return standing(8, [...closed, ...waived], { awaitsGate: true, inconclusive: waived.length > 0 });
  return pass(plan, evidence.stage, waived);
}

function outcome(
  plan: Plan,
  progress: Progress,
  observation: Observation,
  checks: readonly GuardrailCheck[],
  now: number,
): Outcome {
  const { evidence, state } = progress;
  const ordered = orders(observation);
  if (ordered.length > 0) return standing(1, ordered, { action: 'rollback' });
  const harmed = harm(progress, checks);
  if (harmed.length > 0) return standing(2, harmed, { action: 'rollback' });
  if (evidence.phase === 'watch') return watch(plan, progress);
  const doubts = doubt(plan, progress, checks, now);
  const paused = state === 'paused' ? [reason('paused', 'Paused; the guardrails keep watching.')] : [];
  if (paused.length + doubts.length > 0) return standing(3, [...paused, ...doubts]);
  const stage = plan.stages[evidence.stage];
  if (evidence.phase === 'warmup') return warmUp(plan, progress, checks);
  if (stage === undefined) return standing(3, [reason('no_stage', `The plan has no stage ${evidence.stage}.`)]);
  return bake(plan, stage, progress, observation, checks, now);
}

/**
 * What to do with a rollout, in the order in which the reasons count; `now` in epoch milliseconds opens calendar windows and
 * tells how old the data is. Pure: the same arguments give the same decision.
 */
export function decide(plan: Plan, progress: Progress, observation: Observation, now: number): Decision {
  const checks = checkGuardrails(plan, progress.evidence, progress.overridden);
  const decided = outcome(plan, progress, observation, checks, now);
  const why = decided.reasons[0]?.message ?? '';
  return {
    ...decided,
    bakes: decided.step >= 4 && (observation.fresh || progress.evidence.phase === 'watch'),
    why,
    checks,
  };
}
