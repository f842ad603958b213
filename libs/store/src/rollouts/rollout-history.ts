import type { GuardrailCheck } from '@fledge/canary';
import type { DataSource } from 'typeorm';
import { iso } from '../documents.js';
import type { RolloutDecisionRow } from '../entities/rollout-decision.entity.js';
import type { RolloutEventRow } from '../entities/rollout-event.entity.js';
import type { RolloutRow, RolloutState } from '../entities/rollout.entity.js';
import { DomainError } from '../errors.js';
import { slice, toPage, type Page, type PageQuery } from '../page.js';
import { readConsistently } from '../transaction.js';
import { checksOf, type RolloutDocument } from './document.js';
import { eventDocument, type RolloutEvent } from './event.js';
import { findRollout, showRollout, type RolloutRef } from './find.js';
import { clock } from './step.js';
import { CHECKS, ticksOf, type RolloutCheck, type RolloutTick } from './ticks.js';

/** What one tick decided. */
export type RolloutDecision = {
  readonly id: string;
  readonly at: string;
  readonly epoch: number;
  readonly stage: number;
  readonly percentage: number;
  readonly decision: string;
  readonly reasons: readonly string[];
  readonly detail: string;
  readonly bakedMs: number;
  readonly checks: readonly RolloutCheck[];
};

/** How a rollout went so far, in as few ticks as a picture has room for. */
export type RolloutCourse = {
  readonly rollout: RolloutDocument;
  /** As they stand now, in the plan's order. */
  readonly guardrails: readonly GuardrailCheck[];
  /** In order; the newest 200. */
  readonly events: readonly RolloutEvent[];
  readonly ticks: readonly RolloutTick[];
  /** The time of the database. */
  readonly now: string;
};

/** The word on a rollout that a pipeline waits for. */
export type RolloutVerdict = {
  readonly verdict: 'pass' | 'fail' | 'inconclusive';
  /** The stage has been passed, and nothing but its gates holds the rollout. */
  readonly advance: boolean;
  readonly rolledBack: boolean;
  readonly reasons: readonly string[];
  readonly rollout: string | null;
  readonly state: RolloutState | null;
  readonly guardrails: readonly {
    readonly metric: string;
    readonly name: string;
    readonly action: GuardrailCheck['action'];
    readonly logE: number | null;
    readonly limit: number | null;
    readonly canary: { readonly n: number; readonly k: number };
    readonly control: { readonly n: number; readonly k: number };
    readonly verdict: GuardrailCheck['verdict'];
  }[];
};

const BY_ID = { id: { expression: 'part.id', type: 'bigint' } } as const;

/** What happened to rollouts and why. Nothing here writes: events and decisions are written by the steps they describe. */
export class RolloutHistory {
  constructor(private readonly dataSource: DataSource) {}

  /** In the order in which they happened. */
  async events(ref: RolloutRef, query: PageQuery): Promise<Page<RolloutEvent>> {
    const part = slice(query, BY_ID, 'id', { expression: 'part.id', type: 'bigint' }, 3);
    return readConsistently(this.dataSource, async (tx) => {
      const { id } = await findRollout(tx, ref);
      const rows = await tx.query<(RolloutEventRow & { cursorValue: string })[]>(
        `SELECT id, at, type, state, phase, stage, percentage, epoch, reason, detail, comment, actor, ${part.cursorValue} AS "cursorValue"
         FROM rollout_event AS part WHERE rollout_id = $1 AND ${part.where} ORDER BY ${part.orderBy} LIMIT $2`,
        [id, query.limit + 1, ...part.parameters],
      );
      return toPage(rows, query.limit, part.sort, eventDocument);
    });
  }

  /** The events after one of them, or from the beginning; at most 200. */
  async eventsAfter(ref: RolloutRef, after: string | undefined): Promise<readonly RolloutEvent[]> {
    return readConsistently(this.dataSource, async (tx) => {
      const { id } = await findRollout(tx, ref);
      const rows = await tx.query<RolloutEventRow[]>(
        `SELECT id, at, type, state, phase, stage, percentage, epoch, reason, detail, comment, actor
         FROM rollout_event WHERE rollout_id = $1 AND id > $2 ORDER BY id LIMIT 200`,
        [id, after ?? '0'],
      );
      return rows.map(eventDocument);
    });
  }

  /** The newest first. */
  async decisions(ref: RolloutRef, query: PageQuery): Promise<Page<RolloutDecision>> {
    const part = slice(query, BY_ID, '-id', { expression: 'part.id', type: 'bigint' }, 3);
    return readConsistently(this.dataSource, async (tx) => {
      const { id } = await findRollout(tx, ref);
      const rows = await tx.query<(RolloutDecisionRow & { checks: RolloutCheck[] | null; cursorValue: string })[]>(
        `SELECT id, at, epoch, stage, percentage, decision, reasons, detail, baked_ms AS "bakedMs", ${part.cursorValue} AS "cursorValue",
                ${CHECKS}
         FROM rollout_decision AS part WHERE rollout_id = $1 AND ${part.where} ORDER BY ${part.orderBy} LIMIT $2`,
        [id, query.limit + 1, ...part.parameters],
      );
      return toPage(rows, query.limit, part.sort, decisionDocument);
    });
  }

  /** How it went so far, for a picture. */
  async course(ref: RolloutRef): Promise<RolloutCourse> {
    return readConsistently(this.dataSource, async (tx) => {
      const row = await findRollout(tx, ref);
      const events = await tx.query<RolloutEventRow[]>(
        `SELECT * FROM (SELECT id, at, type, state, phase, stage, percentage, epoch, reason, detail, comment, actor
         FROM rollout_event WHERE rollout_id = $1 ORDER BY id DESC LIMIT 200) AS newest ORDER BY id`,
        [row.id],
      );
      return {
        rollout: await showRollout(tx, row),
        guardrails: checksOf(row),
        events: events.map(eventDocument),
        ticks: await ticksOf(tx, row.id),
        now: iso(await clock(tx)),
      };
    });
  }

  /** Always an answer, also about a rollout that is not there. */
  async verdict(ref: RolloutRef): Promise<RolloutVerdict> {
    try {
      return await readConsistently(this.dataSource, async (tx) => verdictOn(await findRollout(tx, ref)));
    } catch (error) {
      if (error instanceof DomainError && error.code === 'not_found') return UNKNOWN;
      throw error;
    }
  }
}

const UNKNOWN: RolloutVerdict = {
  verdict: 'inconclusive',
  advance: false,
  rolledBack: false,
  reasons: ['unknown_rollout'],
  rollout: null,
  state: null,
  guardrails: [],
};

function verdictOn(row: RolloutRow): RolloutVerdict {
  const checks = checksOf(row);
  const failed = checks.some(
    ({ action, verdict, guardrail }) =>
      action === 'rollback' && verdict === 'fail' && !row.overridden.includes(guardrail),
  );
  const passed = row.state === 'completed' || (row.state === 'running' && row.phase === 'awaiting_gate');
  return {
    verdict: row.state === 'rolled_back' || failed ? 'fail' : passed ? 'pass' : 'inconclusive',
    advance: passed,
    rolledBack: row.state === 'rolled_back',
    reasons: row.reasons,
    rollout: row.id,
    state: row.state,
    guardrails: checks.map(({ metric, name, action, lnE, maxLnE, limit, canary, baseline, verdict }) => ({
      metric,
      name,
      action,
      // Rolling back compares the highest that the evidence ever stood at.
      logE: action === 'rollback' ? maxLnE : lnE,
      limit,
      canary,
      control: baseline,
      verdict,
    })),
  };
}

const decisionDocument = (row: RolloutDecisionRow & { checks: RolloutCheck[] | null }): RolloutDecision => ({
  id: row.id,
  at: iso(row.at),
  epoch: row.epoch,
  stage: row.stage,
  percentage: row.percentage,
  decision: row.decision,
  reasons: row.reasons,
  detail: row.detail,
  bakedMs: row.bakedMs,
  checks: row.checks ?? [],
});
