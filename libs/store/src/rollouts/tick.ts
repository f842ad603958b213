import {
  bakeStep,
  decide,
  gatesAhead,
  hasLearned,
  milliseconds,
  observe,
  type Decision,
  type Window,
} from '@fledge/canary';
import { RECONCILER } from '../actor.js';
import { appendChange } from '../change-log.js';
import { RolloutCheckRow } from '../entities/rollout-check.entity.js';
import { RolloutDecisionRow } from '../entities/rollout-decision.entity.js';
import { RolloutRow, type RolloutPhase } from '../entities/rollout.entity.js';
import { DomainError } from '../errors.js';
import type { Limits } from '../limits.js';
import type { Located } from '../targeting-change.js';
import { updateRow, type Tx } from '../transaction.js';
import { rolloutRecord } from './document.js';
import { placeOfRollout } from './find.js';
import { findLiveRollout } from './live.js';
import { judgeStart } from './start.js';
import { recordEvent, takeStep, type Step } from './step.js';
import { cancelStep, remarkStep, startStep } from './steps.js';
import { checkBeforeStart, isTick, nextCheck } from './tick-clock.js';
import { eventsOfHold, stepFor, watchChanged } from './verdict-steps.js';

/** Reads the windows of a rollout that can be read by now and were not yet, marks them read, and answers them in their order. */
export type ReadWindows = (tx: Tx, rollout: RolloutRow, now: Date) => Promise<readonly Window[]>;

/** What a tick has done, for logs and metrics. */
export type Ticked = {
  readonly rollout: string;
  readonly decision: Decision['action'] | 'start' | 'wait' | 'pause';
  readonly reasons: readonly string[];
};

type Tick = {
  readonly tx: Tx;
  readonly now: Date;
  readonly limits: Limits;
  readonly readWindows: ReadWindows;
};

/** Decides about a rollout whose row is locked, and does what was decided; the environment is locked only when the rule changes. */
export async function tick(context: Tick, rollout: RolloutRow): Promise<Ticked> {
  return rollout.state === 'scheduled' ? begin(context, rollout) : judge(context, rollout);
}

async function begin({ tx, now, limits }: Tick, rollout: RolloutRow): Promise<Ticked> {
  const { id, startAt } = rollout;
  if (startAt !== null && startAt > now) {
    await updateRow(tx, RolloutRow, { id }, { nextCheckAt: checkBeforeStart(startAt, now) });
    return { rollout: id, decision: 'wait', reasons: [] };
  }
  const place = await placeOfRollout(tx, rollout, true);
  const { problems, refusal } = await judgeStart(tx, place, rollout, limits);
  const refused = refusal?.message ?? problems[0]?.message;
  const step =
    refused === undefined
      ? startStep(
          rollout,
          { event: 'started', reason: 'date_reached', detail: 'Its date has come.' },
          rollout.options.enable === true,
        )
      : cancelStep(
          rollout,
          'baseline',
          { event: 'cancelled', reason: 'start_refused', detail: refused },
          'start_refused',
        );
  await takeStep(tx, RECONCILER, place, rollout, step, limits, now);
  return refused === undefined
    ? { rollout: id, decision: 'start', reasons: [] }
    : { rollout: id, decision: 'wait', reasons: ['start_refused'] };
}

async function judge(context: Tick, found: RolloutRow): Promise<Ticked> {
  const { tx, now, readWindows } = context;
  if (found.evidence === null) throw new Error(`The rollout ${found.id} has no evidence.`);
  const isRegular = isTick(found, now);
  const windows = isRegular ? await readWindows(tx, found, now) : [];
  const evidence = windows.reduce((sofar, window) => observe(found.plan, sofar, window), found.evidence);
  const fresh = windows.some((window) => isFresh(found, window));
  const decision = decide(
    found.plan,
    {
      state: found.state === 'paused' || found.state === 'completed' ? found.state : 'running',
      bakedMs: found.bakedMs,
      evidence,
      overridden: found.overridden,
    },
    { fresh, killed: false, rollback: null, verdicts: validVerdicts(found, now), gates: openGates(found) },
    now.getTime(),
  );
  const baked =
    decision.bakes && isRegular
      ? bakeStep((found.lastTickAt ?? now).getTime(), now.getTime(), milliseconds(found.plan.window))
      : 0;
  const observed: RolloutRow = {
    ...found,
    evidence,
    bakedMs: found.bakedMs + baked,
    reasons: decision.action === 'hold' ? [...whyStuck(found), ...codesOf(decision)] : [],
    detail: decision.why,
    ...askingOf(found, decision, now),
    lastTickAt: isRegular ? now : found.lastTickAt,
    nextCheckAt: nextCheck(found, now),
    failures: 0,
  };
  if (isRegular || decision.action !== 'hold') await recordDecision(tx, observed, decision, now);
  const decided = stepFor(observed, decision);
  const step = decided ?? (needsMark(observed) ? remark(observed) : undefined);
  // What a hold has to tell is told by the next tick when this one has learned something.
  const stepping = decided === undefined ? { ...observed, reasons: found.reasons } : observed;
  const problem = step === undefined ? undefined : await write(context, stepping, step);
  if (problem !== undefined) return pauseBroken(context, observed, problem);
  if (step === undefined) await holdStill(context, found, observed, decision);
  return { rollout: found.id, decision: decision.action, reasons: codesOf(decision) };
}

/** Why it was paused by itself stays visible until somebody resumes it. */
const whyStuck = ({ state, reasons }: RolloutRow): readonly string[] =>
  state === 'paused' ? reasons.filter((reason) => reason === 'config_error' || reason === 'engine_error') : [];

const codesOf = ({ reasons }: Decision): readonly string[] => [...new Set(reasons.map(({ code }) => code))];

/** Whether a window shows both arms of the current epoch; after completion there is only the canary. */
function isFresh({ epoch, state }: RolloutRow, window: Window): boolean {
  const has = (arm: 'canary' | 'baseline'): boolean => Object.values(window[arm].metrics).some(({ n }) => n > 0);
  return window.epoch === epoch && has('canary') && (state === 'completed' || has('baseline'));
}

const validVerdicts = ({ verdicts }: RolloutRow, now: Date) =>
  Object.entries(verdicts).flatMap(([source, { verdict, reason, until }]) =>
    new Date(until) > now ? [{ source, verdict, reason }] : [],
  );

/** Of calendar windows nothing is asked: they are open or not by themselves. */
const openGates = ({ plan, stage, approvals, gates }: RolloutRow): readonly boolean[] =>
  gatesAhead(plan, stage).map((gate, index) => {
    if (gate.type === 'approval') return approvals.length > 0;
    return gate.type === 'webhook' && gates[String(index)]?.open === true;
  });

/**
 * Webhook gates are asked when everything but them and an approval is there, calendar windows included: a yes is not to be older than
 * it has to be.
 */
function askingOf(
  { state, gateDueAt, gateLease }: RolloutRow,
  decision: Decision,
  now: Date,
): Pick<RolloutRow, 'gateDueAt' | 'gateLease'> {
  const codes = codesOf(decision);
  const asks = state === 'running' && decision.awaitsGate && codes.includes('gate_webhook');
  if (!asks || codes.includes('gate_window')) return { gateDueAt: null, gateLease: null };
  return { gateDueAt: gateDueAt ?? now, gateLease };
}

const needsMark = (rollout: RolloutRow): boolean =>
  rollout.evidence !== null &&
  rollout.phase !== 'warmup' &&
  rollout.state !== 'completed' &&
  hasLearned(rollout.plan, rollout.evidence);

const remark = (rollout: RolloutRow): Step =>
  remarkStep(rollout, {
    event: 'learned',
    reason: 'learned',
    detail: 'What counts as slow has been learned from control.',
  });

/** While it is paused or watched nothing is waited for. */
function phaseAfter({ state, phase }: RolloutRow, { awaitsGate }: Decision): RolloutPhase | null {
  if (state !== 'running' || phase === 'warmup') return phase;
  return awaitsGate ? 'awaiting_gate' : 'baking';
}

/** Nothing of the rule changes; what is worth knowing becomes an event, and another phase a change in the log. */
async function holdStill(
  { tx, now }: Tick,
  before: RolloutRow,
  observed: RolloutRow,
  decision: Decision,
): Promise<void> {
  const phase = phaseAfter(observed, decision);
  const next = { ...observed, phase, version: observed.version + (phase === before.phase ? 0 : 1) };
  const { evidence, bakedMs, reasons, detail, lastTickAt, nextCheckAt, gateDueAt, gateLease, failures, version } = next;
  const observation = { evidence, bakedMs, reasons, detail, lastTickAt, nextCheckAt, gateDueAt, gateLease, failures };
  await updateRow(tx, RolloutRow, { id: next.id }, { ...observation, phase, version });
  for (const event of eventsOfHold(before, next, decision)) await recordEvent(tx, RECONCILER, next, event, now);
  if (phase === before.phase) return;
  const place = await placeOfRollout(tx, next);
  await appendChange(
    tx,
    { ...RECONCILER, comment: decision.why },
    {
      action: `rollout.${phase ?? 'held'}`,
      project: place.owner,
      subject: { type: 'rollout', key: next.id },
      environment: place.environment.key,
      before: rolloutRecord(before, place),
      after: rolloutRecord(next, place),
    },
  );
}

/** Takes the step with the environment locked; answers what keeps it from going on, in which case nothing was written. */
async function write({ tx, now, limits }: Tick, rollout: RolloutRow, step: Step): Promise<string | undefined> {
  const place = await placeOfRollout(tx, rollout, true);
  const lost = step.event === 'rolled_back' ? undefined : whatIsLost(rollout, place);
  if (lost !== undefined) return lost;
  try {
    const decided =
      rollout.state === 'completed' ? watchChanged(rollout, place, step, await findLiveRollout(tx, place)) : step;
    await takeStep(tx, RECONCILER, place, rollout, decided, limits, now);
    return undefined;
  } catch (error) {
    if (error instanceof DomainError && error.code === 'invalid') return error.message;
    throw error;
  }
}

function whatIsLost({ state, ruleId }: RolloutRow, { row, flag }: Located): string | undefined {
  if (state === 'completed') return undefined;
  if (flag.archivedAt !== null) return 'The flag is archived.';
  return row.document.rules.some(({ id }) => id === ruleId) ? undefined : 'The rule of the rollout is gone.';
}

/** What was observed is kept; somebody has to look. */
async function pauseBroken({ tx, now, limits }: Tick, rollout: RolloutRow, detail: string): Promise<Ticked> {
  const answer: Ticked = { rollout: rollout.id, decision: 'pause', reasons: ['config_error'] };
  const { evidence, lastTickAt, nextCheckAt } = rollout;
  if (rollout.state === 'paused') {
    await updateRow(tx, RolloutRow, { id: rollout.id }, { evidence, lastTickAt, nextCheckAt });
    return answer;
  }
  const place = await placeOfRollout(tx, rollout, true);
  const step = rollout.state === 'completed' ? watchLostStep(detail) : pauseStep('config_error', detail, nextCheckAt);
  await takeStep(tx, RECONCILER, place, rollout, step, limits, now);
  return answer;
}

const watchLostStep = (detail: string): Step => ({
  event: 'watch_ended',
  reason: 'config_error',
  detail,
  patch: () => ({ watchUntil: null, nextCheckAt: null }),
});

/** A pause that nobody asked for. */
export const pauseStep = (reason: 'config_error' | 'engine_error', detail: string, nextCheckAt: Date | null): Step => ({
  event: 'paused',
  reason,
  detail,
  patch: () => ({ state: 'paused', reasons: [reason], failures: 0, nextCheckAt }),
});

async function recordDecision(tx: Tx, rollout: RolloutRow, decision: Decision, now: Date): Promise<void> {
  const { id, epoch, stage, percentage, bakedMs } = rollout;
  const inserted = await tx.insert(RolloutDecisionRow, {
    rolloutId: id,
    at: now,
    epoch: epoch ?? 0,
    stage,
    percentage,
    decision: decision.action,
    reasons: codesOf(decision),
    detail: decision.why,
    bakedMs,
  });
  const decisionId = String(inserted.identifiers[0]?.['id']);
  const checks = decision.checks.map((check) => ({
    decisionId,
    guardrail: check.guardrail,
    name: check.name,
    logE: check.lnE,
    logLimit: check.limit,
    canary: check.canary,
    control: check.baseline,
    verdict: check.verdict,
  }));
  if (checks.length > 0) await tx.insert(RolloutCheckRow, checks);
}
