import { checkList, checkName, checkObject, checkText, expecting, refuse, refuseMany, unexpected } from './checks.js';
import type { Check, Report } from './checks.js';
import { isList, isNumber, isRecord, isText, own } from './json.js';

const checkBucketing = expecting((value) => value === 1, '1, the only bucketing there is', 'unknown_bucketing');

const checkWeight = expecting(
  (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 100_000,
  'an integer from 0 to 100000',
  'out_of_range',
);

const checkPercentage: Check = (value, pointer, report) => {
  if (!isNumber(value)) unexpected(report, pointer, 'wrong_type', 'a number', value);
  else if (value < 0 || value > 100) unexpected(report, pointer, 'out_of_range', 'a percentage from 0 to 100', value);
  else if (Number(value.toFixed(3)) !== value)
    unexpected(report, pointer, 'too_precise', 'a percentage with at most three decimals', value);
};

const DRAW = { bucketBy: checkName, salt: checkText, bucketing: checkBucketing };

/** A check that a variant is one of the flag's own. */
export function variantCheck(variants: unknown): Check {
  return (value, pointer, report) => {
    if (isText(value) && isRecord(variants) && Object.hasOwn(variants, value)) return;
    const known = isRecord(variants) ? Object.keys(variants).slice(0, 50) : [];
    unexpected(report, pointer, 'unknown_variant', `a variant of this flag (${known.join(', ')})`, value);
  };
}

/** Checks the gate of a flag's rule, or, without a check for variants, of a cohort's. */
export function checkGate(gate: unknown, pointer: string, report: Report, checkVariant?: Check): void {
  const otherwise: Check = (_value, at) =>
    refuse(report, at, 'no_variants', 'Expected no "otherwise" here: a cohort has no variants.');
  checkObject(
    gate,
    pointer,
    report,
    { percentage: checkPercentage },
    { ...DRAW, otherwise: checkVariant ?? otherwise },
  );
}

function checkShares(split: unknown, pointer: string, report: Report, checkVariant: Check): void {
  const seen = new Set<unknown>();
  const once: Check = (variant, at) => {
    if (seen.has(variant)) unexpected(report, at, 'duplicate', 'each variant at most once in a split', variant);
    else checkVariant(variant, at, report);
    seen.add(variant);
  };
  checkList(split, pointer, report, Infinity, (share, at) => {
    checkObject(share, at, report, { variant: once, weight: checkWeight });
  });
  if (isList(split) && split.length === 0)
    refuse(report, pointer, 'empty', 'Expected at least one variant with its weight; got an empty list.');
}

/** Checks what a rule or a fallthrough serves: one variant, or a split. */
export function checkServe(serve: unknown, pointer: string, report: Report, checkVariant: Check): void {
  if (own(serve, 'split') !== undefined)
    checkObject(serve, pointer, report, { split: (split, at) => checkShares(split, at, report, checkVariant) }, DRAW);
  else checkObject(serve, pointer, report, { variant: checkVariant });
}

const MOST_METRICS = 8;
const METRIC = /^[a-z][a-z0-9_-]{0,39}$/;
const COUNTS = ['unit_window', 'first_failure', 'request'];

const checkMetrics: Check = (metrics, pointer, report) => {
  if (!isRecord(metrics)) {
    unexpected(report, pointer, 'wrong_type', 'an object', metrics);
    return;
  }
  const names = Object.keys(metrics);
  refuseMany(report, pointer, MOST_METRICS, 'metrics', names.length);
  for (const name of names) {
    const at = `${pointer}/${name}`;
    if (!METRIC.test(name)) unexpected(report, at, 'invalid_key', 'a metric name such as "errors"', name);
    const count = expecting(
      (value) => COUNTS.some((one) => one === value),
      `one of ${COUNTS.join(', ')}`,
      'out_of_range',
    );
    checkObject(metrics[name], at, report, { count }, { over: expecting(isNumber, 'a number of milliseconds') });
  }
};

/** Checks the mark of a rollout. */
export function checkMeasure(measure: unknown, pointer: string, report: Report, checkVariant: Check): void {
  checkObject(measure, pointer, report, {
    rollout: checkName,
    epoch: expecting(Number.isSafeInteger, 'an integer'),
    canary: checkVariant,
    baseline: checkVariant,
    percentage: checkPercentage,
    metrics: checkMetrics,
  });
}
