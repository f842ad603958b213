import {
  below,
  checkBoolean,
  checkList,
  checkObject,
  expecting,
  isRecord,
  own,
  refuse,
  unexpected,
} from '@fledge/evaluation';
import type { Check, Problem, Report, Validation } from '@fledge/evaluation';
import { isTimeZone, minutesOf } from './calendar.js';
import { completePlan } from './complete-plan.js';
import { parseDuration } from './duration.js';
import { DAYS, ON_INCONCLUSIVE } from './plan.js';
import type { Plan, PlanDocument } from './plan.js';
import { MOST_METRICS } from './report.js';
import { checkGuardrail, integerFrom, numberFrom, oneOf, orNull, readsOf } from './validate-guardrail.js';

const MOST_STAGES = 20;
const MOST_GATES = 10;
const MOST_GUARDRAILS = 20;
const MOST = 1_000_000_000;

function durationFrom(least: number, most = Infinity): Check {
  return (value, pointer, report) => {
    const ms = parseDuration(value);
    if (ms === undefined)
      unexpected(
        report,
        pointer,
        'invalid_duration',
        'a duration such as "90s", "30m", "4h" or "2d", at most 365 days',
        value,
      );
    else if (ms < least || ms > most)
      unexpected(
        report,
        pointer,
        'out_of_range',
        `a duration of ${least / 1000}s${most < Infinity ? ` to ${most / 1000}s` : ' or more'}`,
        value,
      );
  };
}

const checkPercentage: Check = (value, pointer, report) => {
  if (typeof value !== 'number' || !(value > 0 && value <= 100))
    unexpected(report, pointer, 'out_of_range', 'a percentage above 0, at most 100', value);
  else if (Number(value.toFixed(3)) !== value)
    unexpected(report, pointer, 'too_precise', 'a percentage with at most three decimals', value);
};

const checkEvidence: Check = (evidence, pointer, report) => {
  if (evidence === 'none') return;
  const powered: Check = (value, at) => checkObject(value, at, report, { ratio: numberFrom(1, 1_000, true) });
  const proven: Check = (value, at) =>
    checkObject(value, at, report, { relative: numberFrom(0, 10), absolute: numberFrom(0, 1) });
  if (!checkObject(evidence, pointer, report, {}, { powered, proven })) return;
  if (Object.keys(evidence).length !== 1)
    refuse(report, pointer, 'wrong_type', 'Expected "none", { powered } or { proven }.');
};

const checkUrl = expecting(
  (value) => typeof value === 'string' && value.length <= 2_000 && /^https?:\/\/[^\s/?#@]+([/?][^\s#]*)?$/.test(value),
  'an https address without user, password and fragment',
);
const time = expecting((value) => minutesOf(value) !== undefined, 'a time such as "09:00"', 'invalid_time');

const checkDays: Check = (days, pointer, report) => {
  checkList(days, pointer, report, DAYS.length, oneOf(DAYS));
  if (Array.isArray(days) && days.length === 0)
    refuse(report, pointer, 'empty', 'Expected at least one day: a window without any never opens.');
};

const checkGate: Check = (gate, pointer, report) => {
  const type = own(gate, 'type');
  const named = { type: oneOf(['window', 'webhook', 'approval']) };
  if (type === 'webhook') checkObject(gate, pointer, report, { ...named, url: checkUrl });
  else if (type === 'window') {
    const timeZone = expecting(isTimeZone, 'an IANA time zone such as "Europe/Berlin"', 'unknown_time_zone');
    checkObject(gate, pointer, report, { ...named, days: checkDays, from: time, to: time, timeZone });
  } else checkObject(gate, pointer, report, named, { fourEyes: checkBoolean });
};

/** What a stage of 100 may say besides its gates: only what `completePlan` fills in. */
const NOTHING: Readonly<Record<string, Check>> = {
  minBake: expecting((value) => value === '0s', 'no bake at 100 %: there is no control left', 'last_stage'),
  maxBake: expecting((value) => value === '0s' || value === null, 'no bake at 100 %', 'last_stage'),
  minSamples: (samples, at, report) => {
    const none = expecting((value) => value === 0, 'no samples at 100 %', 'last_stage');
    checkObject(samples, at, report, {}, { requests: none, units: none });
  },
  evidence: expecting((value) => value === 'none', 'no evidence at 100 %', 'last_stage'),
  onInconclusive: expecting((value) => value === 'hold', 'no policy at 100 %', 'last_stage'),
};

const PARTS: Readonly<Record<string, Check>> = {
  minBake: durationFrom(0),
  maxBake: orNull(durationFrom(0)),
  minSamples: (samples, at, report) =>
    checkObject(samples, at, report, {}, { requests: integerFrom(0, MOST), units: integerFrom(0, MOST) }),
  evidence: checkEvidence,
  onInconclusive: oneOf(ON_INCONCLUSIVE),
};

const checkStage: Check = (stage, pointer, report) => {
  const record = isRecord(stage) ? stage : {};
  const { percentage, minBake, maxBake } = record;
  const gates: Check = (list, at) => checkList(list, at, report, MOST_GATES, checkGate);
  checkObject(
    stage,
    pointer,
    report,
    { percentage: checkPercentage },
    { ...(percentage === 100 ? NOTHING : PARTS), gates },
  );
  const least = parseDuration(minBake ?? '30m');
  const most = parseDuration(maxBake);
  if (percentage !== 100 && least !== undefined && most !== undefined && most < least)
    unexpected(
      report,
      below(pointer, 'maxBake'),
      'out_of_range',
      'a maxBake that is not shorter than minBake',
      maxBake,
    );
};

const checkStages: Check = (stages, pointer, report) => {
  checkList(stages, pointer, report, MOST_STAGES, checkStage);
  if (!Array.isArray(stages)) return;
  if (stages.length === 0) refuse(report, pointer, 'empty', 'Expected at least one stage.');
  const gates = own(stages[0], 'gates');
  if (own(stages[0], 'percentage') === 100 && Array.isArray(gates) && gates.length > 0)
    refuse(
      report,
      `${below(pointer, 0)}/gates`,
      'last_stage',
      'Expected no gates of a first stage of 100: they are checked in the stage before it.',
    );
  let before = 0;
  for (const [index, stage] of stages.entries()) {
    const percentage = own(stage, 'percentage');
    if (typeof percentage !== 'number') continue;
    if (percentage <= before && percentage > 0)
      unexpected(
        report,
        `${below(pointer, index)}/percentage`,
        'not_rising',
        `more than the ${before} % of the stage before`,
        percentage,
      );
    before = percentage;
  }
};

/** One metric has one mark: guardrails on it must agree on how they count and on what they read. */
function checkAgreement(
  guardrails: readonly Readonly<Record<string, unknown>>[],
  pointer: string,
  report: Report,
): void {
  const known = new Map<unknown, { count: unknown; reads: string; quantile: boolean }>();
  for (const [index, guardrail] of guardrails.entries()) {
    const { metric } = guardrail;
    const reads = readsOf(guardrail);
    const quantile = reads === 'times' && (guardrail['kind'] ?? 'quantile') === 'quantile';
    const tested = quantile || (reads === 'failures' && guardrail['test'] !== 'point');
    const count = tested ? (guardrail['count'] ?? 'unit_window') : undefined;
    const first = known.get(metric);
    const at = below(pointer, index);
    if (first !== undefined) {
      if (first.reads !== reads)
        refuse(report, at, 'conflict', `Expected every guardrail on "${String(metric)}" to read ${first.reads}.`);
      if (first.count !== undefined && count !== undefined && first.count !== count)
        refuse(
          report,
          below(at, 'count'),
          'conflict',
          `Expected every guardrail on "${String(metric)}" to count alike.`,
        );
      if (first.quantile && quantile)
        refuse(
          report,
          at,
          'conflict',
          `Expected one quantile of "${String(metric)}" at most: the SDK counts against one threshold.`,
        );
    }
    known.set(metric, { count: first?.count ?? count, reads, quantile: quantile || (first?.quantile ?? false) });
  }
  if (known.size > MOST_METRICS)
    refuse(report, pointer, 'too_many', `Expected at most ${MOST_METRICS} metrics; got ${known.size}.`);
}

const checkGuardrails: Check = (guardrails, pointer, report) => {
  checkList(guardrails, pointer, report, MOST_GUARDRAILS, checkGuardrail);
  if (!Array.isArray(guardrails)) return;
  const records = guardrails.filter(isRecord);
  if (records.length === guardrails.length) checkAgreement(records, pointer, report);
};

function warnings(plan: Plan): Problem[] {
  const found: Problem[] = [];
  if (!plan.guardrails.some(({ action }) => action === 'rollback'))
    found.push({
      pointer: '/guardrails',
      code: 'nothing_rolls_back',
      message: 'No guardrail rolls back: only a person or an outside judge can take this rollout back.',
    });
  for (const [index, { gates }] of plan.stages.entries())
    for (const [at, gate] of gates.entries())
      if (gate.type === 'webhook' && gate.url.startsWith('http:'))
        found.push({
          pointer: `/stages/${index}/gates/${at}/url`,
          code: 'plain_http',
          message: 'It is asked in the clear, and only where the installation allows http.',
        });
  return found;
}

/**
 * Every problem of a plan as it is written, each with its JSON pointer, and warnings about what is legal but probably not
 * meant. A plan without problems may be given to `completePlan`; what that returns has none either.
 */
export function validatePlan(document: unknown): Validation {
  const report: Report = { problems: [] };
  checkObject(
    document,
    '',
    report,
    { stages: checkStages },
    {
      guardrails: checkGuardrails,
      warmup: durationFrom(0),
      watch: durationFrom(0),
      alpha: numberFrom(0, 0.5, true),
      window: durationFrom(10_000, 600_000),
    },
  );
  return { problems: report.problems, warnings: isPlan(document, report) ? warnings(completePlan(document)) : [] };
}

function isPlan(document: unknown, report: Report): document is PlanDocument {
  return document !== undefined && report.problems.length === 0;
}
