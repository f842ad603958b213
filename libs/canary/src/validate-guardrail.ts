import { below, checkObject, expecting, isRecord, refuse, unexpected } from '@fledge/evaluation';
import type { Check, Report } from '@fledge/evaluation';
import { usualKind } from './complete-plan.js';
import { ACTIONS, COUNTS } from './plan.js';
import { METRIC_PATTERN } from './report.js';

/** A check that the value is one of a few words. */
export function oneOf(words: readonly string[]): Check {
  return expecting((value) => words.some((word) => word === value), `one of ${words.join(', ')}`, 'out_of_range');
}

/** A check that the value is a finite number from `least` to `most`; without `least` itself if it is to be above it. */
export function numberFrom(least: number, most: number, above = false): Check {
  const inside = (value: number): boolean => (above ? value > least : value >= least) && value <= most;
  const range = `a number ${above ? 'above' : 'from'} ${least} ${above ? 'and at most' : 'to'} ${most}`;
  return expecting((value) => typeof value === 'number' && inside(value), range, 'out_of_range');
}

/** A check that the value is an integer from `least` to `most`. */
export function integerFrom(least: number, most: number): Check {
  const inside = (value: unknown): boolean =>
    Number.isInteger(value) && Number(value) >= least && Number(value) <= most;
  return expecting(inside, `an integer from ${least} to ${most}`, 'out_of_range');
}

/** A check that lets null pass. */
export function orNull(check: Check): Check {
  return (value, pointer, report) => value === null || check(value, pointer, report);
}

/** What a point limit may be of: the share of failures, or a quantile. */
const POINT_PATTERN = /^(rate|p\d{1,2}(\.\d)?)$/;

const MOST = 1_000_000_000;
const checkFloors: Check = (floors, pointer, report) => {
  const count = integerFrom(0, MOST);
  checkObject(floors, pointer, report, {}, { failures: count, requests: count, units: count, windows: count });
};

const checkMargin: Check = (margin, pointer, report) => {
  const optional = { relative: numberFrom(0, 10), absolute: orNull(numberFrom(0, 1)) };
  checkObject(margin, pointer, report, {}, optional);
};

const checkPoints: Check = (windows, pointer, report) => {
  const [m, n] = Array.isArray(windows) ? (windows as readonly unknown[]) : [];
  const whole = (value: unknown): boolean => Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 100;
  if (!Array.isArray(windows) || windows.length !== 2 || !whole(m) || !whole(n) || Number(m) > Number(n))
    unexpected(report, pointer, 'out_of_range', '[m, n]: m of the last n windows, 1 ≤ m ≤ n ≤ 100', windows);
};

const TESTED = {
  action: oneOf(ACTIONS),
  count: oneOf(COUNTS),
  weight: numberFrom(0, 1_000, true),
  floors: checkFloors,
  dispersion: numberFrom(1, 1_000),
};

type Fields = readonly [required: Readonly<Record<string, Check>>, optional: Readonly<Record<string, Check>>];

function fieldsOf(kind: unknown, test: unknown): Fields {
  switch (kind) {
    case 'quantile':
      return [
        {},
        { ...TESTED, margin: checkMargin, quantile: numberFrom(0.5, 0.999), overMs: orNull(numberFrom(0, MOST, true)) },
      ];
    case 'mean': {
      const margin: Check = (value, at, report) => checkObject(value, at, report, {}, { relative: numberFrom(0, 10) });
      return [{}, { action: oneOf(['hold', 'warn']), margin }];
    }
    case 'limit':
      return test === 'point'
        ? [
            { test: oneOf(['point']), limit: numberFrom(0, MOST, true) },
            {
              action: oneOf(ACTIONS),
              windows: checkPoints,
              of: expecting((value) => typeof value === 'string' && POINT_PATTERN.test(value), '"rate" or "p95"'),
            },
          ]
        : [{ test: oneOf(['rate', 'point']), limit: numberFrom(0, 0.9, true) }, TESTED];
    default:
      return [{}, { ...TESTED, margin: checkMargin }];
  }
}

const KINDS = ['rate', 'quantile', 'mean', 'limit'];
const checkMetric = expecting(
  (value) => typeof value === 'string' && METRIC_PATTERN.test(value),
  'a metric name such as "errors": a small letter, then up to 39 small letters, digits, _ and -',
  'invalid_key',
);

/** Whether a guardrail reads times ("times") or failures ("failures"); undefined for what is neither. */
export function readsOf(guardrail: Readonly<Record<string, unknown>>): 'times' | 'failures' {
  const kind = guardrail['kind'] ?? usualKind(guardrail['metric']);
  const { of = usualKind(guardrail['metric']) === 'quantile' ? 'p95' : 'rate' } = guardrail;
  const times = kind === 'quantile' || kind === 'mean' || (guardrail['test'] === 'point' && of !== 'rate');
  return times ? 'times' : 'failures';
}

/** Checks one guardrail. */
export function checkGuardrail(guardrail: unknown, pointer: string, report: Report): void {
  const record = isRecord(guardrail) ? guardrail : {};
  const { metric, test } = record;
  const kind = record['kind'] ?? usualKind(metric);
  const [required, optional] = fieldsOf(kind, test);
  const own = { metric: checkMetric, ...(usualKind(metric) === undefined && { kind: oneOf(KINDS) }), ...required };
  if (!checkObject(guardrail, pointer, report, own, { kind: oneOf(KINDS), ...optional })) return;
  const usual = usualKind(metric);
  const reads = readsOf(record);
  if ((usual === 'rate' && reads === 'times') || (usual === 'quantile' && reads === 'failures'))
    refuse(
      report,
      below(pointer, 'kind'),
      'wrong_kind',
      `Expected a guardrail of ${usual === 'rate' ? 'failures' : 'times'} on "${String(metric)}".`,
    );
}
