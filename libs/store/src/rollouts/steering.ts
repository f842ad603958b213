import { acknowledge, type Alarm } from '@fledge/canary';
import type { DataSource } from 'typeorm';
import { actorName, type Actor } from '../actor.js';
import { appendChange } from '../change-log.js';
import { RolloutRow, type Verdict } from '../entities/rollout.entity.js';
import { refuseProblems, type DomainError } from '../errors.js';
import { DEFAULT_LIMITS, type Limits } from '../limits.js';
import { findEnvironment, findProject, refuseStale, type Expected } from '../locate.js';
import { seenOf } from '../telemetry/instances.js';
import { updateRow, write } from '../transaction.js';
import { illegal, isHeldBack, refuseIllegal, type RolloutCommand } from './commands.js';
import { rolloutDocument, rolloutRecord, withFigures, type RolloutDocument } from './document.js';
import { findRollout, placeOfRollout, type EnvironmentRef, type RolloutRef } from './find.js';
import { refuseApproval, refusePromotion } from './guards.js';
import { lockLiveRollouts } from './live.js';
import { newSalt } from './start.js';
import { clock, recordEvent, takeStep, type Step } from './step.js';
import { cancelStep, completeStep, reshuffleStep, rollbackStep, stageStep, type Keep, type Why } from './steps.js';
import { checkBeforeStart } from './tick-clock.js';

/** An outside judge's word, and for how long it holds. */
export type NewVerdict = {
  readonly source: string;
  readonly verdict: Verdict['verdict'];
  readonly reason: string;
  readonly ttlMs: number;
};

/** Most sources of verdicts that one rollout remembers. */
const MOST_VERDICTS = 20;

/**
 * What people and scripts ask of a rollout. Every command is one transaction that locks the rollout, then its environment, and leaves
 * an event and a change behind; the reconciler takes its steps the same way.
 */
export class RolloutSteering {
  constructor(
    private readonly dataSource: DataSource,
    private readonly limits: Limits = DEFAULT_LIMITS,
  ) {}

  async pause(by: Actor, ref: RolloutRef, expected?: Expected): Promise<RolloutDocument> {
    return this.#command(by, ref, 'pause', expected, () => ({
      event: 'paused',
      reason: 'manual',
      patch: () => ({ state: 'paused' }),
    }));
  }

  async resume(by: Actor, ref: RolloutRef, expected?: Expected): Promise<RolloutDocument> {
    return this.#command(by, ref, 'resume', expected, ({ state, startAt }) => ({
      event: 'resumed',
      reason: 'manual',
      patch: ({ now }) =>
        state === 'scheduled'
          ? { reasons: [], nextCheckAt: checkBeforeStart(startAt ?? now, now) }
          : { state: 'running', failures: 0, reasons: [], lastTickAt: now, nextCheckAt: now },
    }));
  }

  /** On to the next stage, or at once to everybody. @throws DomainError `guardrail_failed`, `approval_missing`, `invalid` */
  async promote(by: Actor, ref: RolloutRef, full: boolean, expected?: Expected): Promise<RolloutDocument> {
    return this.#command(by, ref, 'promote', expected, (rollout) => {
      const next = rollout.phase === 'warmup' ? 0 : rollout.stage + 1;
      const warned = refusePromotion(rollout, by, full ? rollout.plan.stages.length : next);
      const why = { event: full || next >= rollout.plan.stages.length ? 'completed' : 'promoted' } as const;
      const reason = { reason: 'promoted', detail: full ? 'Promoted to everybody by hand.' : 'Promoted by hand.' };
      return overriding(
        rollout,
        warned,
        full
          ? completeStep(rollout, rollout.plan.stages.length - 1, { ...why, ...reason }, 100)
          : ahead(rollout, next, { ...why, ...reason }),
      );
    });
  }

  /** To any stage, forward or back. @throws DomainError as `promote` does, on the way forward */
  async jump(by: Actor, ref: RolloutRef, stage: number, expected?: Expected): Promise<RolloutDocument> {
    return this.#command(by, ref, 'jump', expected, (rollout) => {
      const last = rollout.plan.stages.length - 1;
      if (stage > last) {
        const message = `Expected a stage from 0 to ${last}; got ${stage}.`;
        refuseProblems([{ pointer: '/stage', code: 'too_large', message }]);
      }
      const forward = rollout.phase === 'warmup' || stage > rollout.stage;
      const warned = forward ? refusePromotion(rollout, by, stage) : [];
      const completes = rollout.plan.stages[stage]?.percentage === 100;
      const detail = `Sent to stage ${stage} by hand.`;
      const why = { event: completes ? 'completed' : 'jumped', reason: 'jumped', detail } as const;
      return overriding(rollout, warned, stageStep(rollout, stage, why));
    });
  }

  async rollback(by: Actor, ref: RolloutRef, expected?: Expected): Promise<RolloutDocument> {
    const byHand = by.comment === undefined ? 'Rolled back by hand' : `Rolled back by hand: ${by.comment}`;
    return this.#command(by, ref, 'rollback', expected, (rollout) => {
      const detail = withFigures(byHand, rollout);
      return rollbackStep(rollout, { event: 'rolled_back', reason: 'manual', detail }, ['manual']);
    });
  }

  async cancel(by: Actor, ref: RolloutRef, keep: Keep, expected?: Expected): Promise<RolloutDocument> {
    const detail = `Cancelled by hand, keeping ${keep}.`;
    return this.#command(by, ref, 'cancel', expected, (rollout) =>
      cancelStep(rollout, keep, { event: 'cancelled', reason: 'manual', detail }, 'manual'),
    );
  }

  /** Says yes to leaving the stage; saying it twice is saying it once. @throws DomainError `four_eyes` */
  async approve(by: Actor, ref: RolloutRef, expected?: Expected): Promise<RolloutDocument> {
    return this.#command(by, ref, 'approve', expected, (rollout) => {
      refuseApproval(rollout, by);
      const others = rollout.approvals.filter(({ actor }) => actor.id !== by.id);
      return {
        event: 'approved',
        reason: 'manual',
        patch: ({ now }) => ({
          approvals: [...others, { actor: actorName(by), comment: by.comment ?? null, at: now.toISOString() }],
          nextCheckAt: now,
        }),
      };
    });
  }

  /** Takes note of an alarm, so that it holds nothing up until the next stage; in the warm-up it may draw anew instead. */
  async acknowledge(by: Actor, ref: RolloutRef, reshuffle: boolean, expected?: Expected): Promise<RolloutDocument> {
    return this.#command(by, ref, 'acknowledge', expected, (rollout, flag) => {
      if (reshuffle) {
        refuseReshuffle(rollout);
        return reshuffleStep(rollout, newSalt(flag), { event: 'acknowledged', reason: 'reshuffle' });
      }
      const alarms = (['arms_differ', 'sample_ratio'] as const).filter((alarm) => rollout.reasons.includes(alarm));
      if (alarms.length === 0) throw nothingToAcknowledge(rollout);
      return {
        event: 'acknowledged',
        reason: alarms.join(', '),
        patch: ({ now }) => ({
          evidence: alarms.reduce(
            (evidence, alarm: Alarm) => evidence && acknowledge(evidence, alarm),
            rollout.evidence,
          ),
          reasons: rollout.reasons.filter((reason) => !alarms.some((alarm) => alarm === reason)),
          nextCheckAt: now,
        }),
      };
    });
  }

  /** Notes an outside judge's word until it lapses; a `fail` is acted upon at once. */
  async addVerdict(by: Actor, ref: RolloutRef, word: NewVerdict): Promise<RolloutDocument> {
    return write(this.dataSource, by, async (tx) => {
      const rollout = await findRollout(tx, ref, true);
      if (rollout.state !== 'running' && rollout.state !== 'paused') throw noVerdictNow(rollout);
      const now = await clock(tx);
      const { source, verdict, reason, ttlMs } = word;
      const valid = Object.entries(rollout.verdicts).filter(
        ([name, { until }]) => name !== source && new Date(until) > now,
      );
      const verdicts = {
        ...Object.fromEntries(valid.slice(-(MOST_VERDICTS - 1))),
        [source]: { verdict, reason, until: new Date(now.getTime() + ttlMs).toISOString() },
      };
      await updateRow(tx, RolloutRow, { id: rollout.id }, { verdicts, nextCheckAt: now });
      const next = { ...rollout, verdicts, nextCheckAt: now };
      await recordEvent(tx, by, next, { event: 'verdict', reason: verdict, detail: `${source}: ${reason}` }, now);
      const place = await placeOfRollout(tx, next);
      await appendChange(tx, by, {
        action: 'rollout.verdict',
        project: place.owner,
        subject: { type: 'rollout', key: rollout.id },
        environment: place.environment.key,
        before: rolloutRecord(rollout, place),
        after: rolloutRecord(next, place),
      });
      return rolloutDocument(next, place);
    });
  }

  /** Pauses every running rollout of an environment and holds back what waits for its date, in one transaction. */
  async pauseAll(by: Actor, { project, environment }: EnvironmentRef): Promise<{ items: RolloutDocument[] }> {
    return write(this.dataSource, by, async (tx) => {
      const place = await findEnvironment(tx, await findProject(tx, project), environment);
      const live = await lockLiveRollouts(tx, { environmentId: place.id });
      const items: RolloutDocument[] = [];
      for (const rollout of live.filter((each) => each.state !== 'paused' && !isHeldBack(each))) {
        const at = await placeOfRollout(tx, rollout);
        const stopped: Partial<RolloutRow> =
          rollout.state === 'scheduled' ? { reasons: ['paused'], nextCheckAt: null } : { state: 'paused' };
        const step: Step = { event: 'paused', reason: 'pause_all', patch: () => stopped };
        const stepped = await takeStep(tx, by, at, rollout, step, this.limits);
        items.push(rolloutDocument(stepped.rollout, at));
      }
      return { items };
    });
  }

  async #command(
    by: Actor,
    ref: RolloutRef,
    command: RolloutCommand,
    expected: Expected,
    decide: (rollout: RolloutRow, flag: string) => Step,
  ): Promise<RolloutDocument> {
    return write(this.dataSource, by, async (tx) => {
      const rollout = await findRollout(tx, ref, true);
      refuseStale(rollout.version, expected);
      refuseIllegal(rollout, command);
      const place = await placeOfRollout(tx, rollout, true);
      const stepped = await takeStep(tx, by, place, rollout, decide(rollout, place.flag.key), this.limits);
      return {
        ...rolloutDocument(stepped.rollout, place),
        seen: await seenOf(tx, stepped.rollout),
        warnings: stepped.targeting?.warnings ?? [],
      };
    });
  }
}

/** On to the next stage; past the last one there is only the end. */
function ahead(rollout: RolloutRow, next: number, why: Why): Step {
  const last = rollout.plan.stages.length - 1;
  if (next > last) return completeStep(rollout, last, why);
  const completes = rollout.plan.stages[next]?.percentage === 100;
  return stageStep(rollout, next, completes ? { ...why, event: 'completed' } : why);
}

/** The step, after which these guardrails only warn. */
function overriding(rollout: RolloutRow, guardrails: readonly number[], step: Step): Step {
  const overridden = [...new Set([...rollout.overridden, ...guardrails])].toSorted((a, b) => a - b);
  return { ...step, patch: (at) => ({ ...step.patch(at), overridden }) };
}

function refuseReshuffle(rollout: RolloutRow): void {
  if (rollout.phase === 'warmup') return;
  throw illegal(rollout, 'A new draw is possible in the warm-up only: later it would move users who have the canary.');
}

const nothingToAcknowledge = (rollout: RolloutRow): DomainError =>
  illegal(rollout, 'There is nothing to acknowledge: neither do the arms differ nor are their shares off.');

const noVerdictNow = (rollout: RolloutRow): DomainError =>
  illegal(rollout, `The rollout is ${rollout.state}; a verdict is for one that runs or is paused.`);
