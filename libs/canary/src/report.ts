import { checkList, checkObject, expecting, refuse } from '@fledge/evaluation';
import type { Check, JsonRecord, Problem, Report } from '@fledge/evaluation';
import { FIRST_INDEX, LAST_INDEX, LONGEST_MS, SHORTEST_MS } from './sketch.js';
import { GROUPS } from './sums.js';
import type { Arm, ArmSums } from './sums.js';

/** What an SDK posts to `/sdk/v1/outcomes`: sums since its last report, at most 256 KiB as JSON. */
export type OutcomeReport = {
  readonly v: 1;
  /** Drawn by the SDK; a report is counted once, however often it is sent. */
  readonly id: string;
  readonly instance: string;
  /** How long ago, in ms, the newest observation was made when the report was sent, and how long it reaches back from there. */
  readonly ageMs: number;
  readonly spanMs: number;
  /** Observations that the SDK had to drop since its last report. */
  readonly dropped: number;
  /** Evaluations by a marked rule without a unit, and units beyond the SDK's bound. */
  readonly unmeasured?: number;
  readonly overflow?: number;
  readonly items: readonly OutcomeItem[];
};

/** What one arm of one epoch of a rollout showed. */
export type OutcomeItem = ArmSums & { readonly rollout: string; readonly epoch: number; readonly arm: Arm };

/** The metrics that one rollout may have, and what their names look like. */
export const MOST_METRICS = 8;
export const METRIC_PATTERN = /^[a-z][a-z0-9_-]{0,39}$/;

const MOST_ITEMS = 256;
const LONGEST_ID = 100;

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
const checkCount = expecting(isCount, 'an integer from 0 to 2^53 − 1', 'out_of_range');
const isId = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && value.length <= LONGEST_ID;
/** Kept by the service, and printable so that every database can keep it. */
const checkId = expecting(
  (value) => isId(value) && /^[!-~]+$/.test(value),
  `1 to ${LONGEST_ID} printable ASCII characters without spaces`,
  'format',
);
/** Looked up and not kept: one that nobody has is no problem. */
const checkRollout = expecting(isId, `a text of 1 to ${LONGEST_ID} characters`);

/** What every report of an SDK says, whatever it reports: its fields but the items. */
export const REPORT_ENVELOPE: Readonly<Record<string, Check>> = {
  v: expecting((value) => value === 1, '1, the only version there is', 'unknown_version'),
  id: checkId,
  instance: checkId,
  ageMs: checkCount,
  spanMs: checkCount,
  dropped: checkCount,
};

const isGroups = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && (value.length === 0 || value.length === GROUPS) && value.every(isCount);
const checkGroups = expecting(isGroups, `${GROUPS} counts, one for each group of units, or none`, 'invalid_groups');

const isMoments = (value: unknown): boolean => {
  if (!Array.isArray(value) || value.length !== 3) return false;
  const [n, mean, m2] = value as readonly unknown[];
  const inside = (of: unknown): boolean => Number(of) >= Math.log(SHORTEST_MS) && Number(of) <= Math.log(LONGEST_MS);
  return isCount(n) && Number.isFinite(mean) && Number.isFinite(m2) && Number(m2) >= 0 && (n === 0 || inside(mean));
};
const checkMoments = expecting(
  isMoments,
  `[n, mean, m2] of ln(ms), ms from ${SHORTEST_MS} to ${LONGEST_MS}`,
  'invalid_moments',
);

const isSketchCounts = (value: unknown): boolean =>
  Array.isArray(value) && value.length <= LAST_INDEX - FIRST_INDEX + 1 && value.every(isCount);

const checkSketch: Check = (sketch, pointer, report) => {
  const counts: Check = expecting(isSketchCounts, `at most ${LAST_INDEX - FIRST_INDEX + 1} counts`, 'invalid_sketch');
  if (!checkObject(sketch, pointer, report, { o: expecting(Number.isSafeInteger, 'an integer'), c: counts })) return;
  const { o, c } = sketch;
  if (!Array.isArray(c) || c.length === 0) return;
  if (Number(o) < FIRST_INDEX || Number(o) + c.length - 1 > LAST_INDEX)
    refuse(report, pointer, 'invalid_sketch', `Expected buckets from ${FIRST_INDEX} to ${LAST_INDEX}.`);
};

const SUMS = { n: checkCount, k: checkCount, a: checkCount, f: checkCount, r: checkCount, g: checkCount };

/** The part is not more than the whole, so that no share of a report exceeds 1. */
function checkParts(sums: JsonRecord, pointer: string, report: Report): void {
  const { n, k, a, f, r, g, N, K } = sums;
  for (const [part, whole, names] of [
    [k, n, 'k ≤ n'],
    [f, a, 'f ≤ a'],
    [g, r, 'g ≤ r'],
  ] as const)
    if (isCount(part) && isCount(whole) && part > whole)
      refuse(report, pointer, 'inconsistent', `Expected ${names}; got ${part} of ${whole}.`);
  if (isGroups(N) && isGroups(K) && (N.length !== K.length || K.some((count, index) => count > (N[index] ?? 0))))
    refuse(report, pointer, 'inconsistent', 'Expected as many groups in K as in N, and in none more in K than in N.');
}

const checkSums: Check = (sums, pointer, report) => {
  const required = { ...SUMS, N: checkGroups, K: checkGroups };
  if (checkObject(sums, pointer, report, required, { lnms: checkMoments, sketch: checkSketch }))
    checkParts(sums, pointer, report);
};

const checkMetrics: Check = (metrics, pointer, report) => {
  const names = typeof metrics === 'object' && metrics !== null ? Object.keys(metrics) : [];
  if (names.length > MOST_METRICS)
    refuse(report, pointer, 'too_many', `Expected at most ${MOST_METRICS} metrics; got ${names.length}.`);
  const known = names.filter((name) => METRIC_PATTERN.test(name)).slice(0, MOST_METRICS);
  checkObject(metrics, pointer, report, {}, Object.fromEntries(known.map((name) => [name, checkSums])));
};

const checkItem: Check = (item, pointer, report) => {
  checkObject(item, pointer, report, {
    rollout: checkRollout,
    epoch: checkCount,
    arm: expecting((value) => value === 'canary' || value === 'baseline', '"canary" or "baseline"', 'out_of_range'),
    first: (first, at) => checkObject(first, at, report, { n: checkCount, groups: checkGroups }),
    metrics: checkMetrics,
  });
};

/**
 * Every problem of a report's body, with JSON pointers: wrong types, counts that are no counts, parts greater than their
 * whole, sketches and moments out of bounds, more than 256 items. Its size in bytes and its age are the caller's to judge.
 */
export function validateReport(body: unknown): Problem[] {
  const report: Report = { problems: [] };
  checkObject(
    body,
    '',
    report,
    {
      ...REPORT_ENVELOPE,
      items: (items, at) => checkList(items, at, report, MOST_ITEMS, checkItem),
    },
    { unmeasured: checkCount, overflow: checkCount },
  );
  return report.problems;
}

/** True for a body without problems. */
export function isReport(body: unknown): body is OutcomeReport {
  return validateReport(body).length === 0;
}
