import { checkList, checkObject, expecting, isKey, type Problem, type Report } from '@fledge/evaluation';
import type { ExposureCount } from '@fledge/store';

/** What an SDK posts to `/sdk/v1/exposures`: how often each flag served each variant since its last report. */
export type ExposureReport = {
  readonly v: 1;
  readonly id: string;
  readonly instance: string;
  readonly ageMs: number;
  readonly spanMs: number;
  readonly dropped: number;
  readonly items: readonly ExposureCount[];
};

const MOST_ITEMS = 10_000;
/** More than a process can count in five minutes, and few enough to be summed up for ever. */
const GREATEST_COUNT = 1_000_000_000;

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0;
const checkCount = expecting(isCount, 'an integer from 0 to 2^53 − 1', 'out_of_range');
const checkKey = expecting((value) => typeof value === 'string' && isKey(value), 'a key');

/** An id as ours are: printable, so that Postgres can keep it. */
export const checkId = expecting(
  (value) => typeof value === 'string' && /^[!-~]{1,100}$/.test(value),
  '1 to 100 printable ASCII characters without spaces',
  'format',
);

const checkItem = (item: unknown, pointer: string, report: Report): void => {
  checkObject(item, pointer, report, {
    flag: checkKey,
    variant: (variant, at) => {
      if (variant !== null) checkKey(variant, at, report);
    },
    n: expecting(
      (n) => isCount(n) && Number(n) <= GREATEST_COUNT,
      `an integer from 0 to ${GREATEST_COUNT}`,
      'out_of_range',
    ),
  });
};

/** Every problem of a report of exposures, with JSON pointers. */
export function exposureProblems(body: unknown): readonly Problem[] {
  const report: Report = { problems: [] };
  checkObject(body, '', report, {
    v: expecting((value) => value === 1, '1, the only version there is', 'unknown_version'),
    id: checkId,
    instance: checkId,
    ageMs: checkCount,
    spanMs: checkCount,
    dropped: checkCount,
    items: (items, at) => checkList(items, at, report, MOST_ITEMS, checkItem),
  });
  return report.problems;
}
