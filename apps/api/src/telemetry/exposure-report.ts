import { REPORT_ENVELOPE } from '@fledge/canary';
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

const checkKey = expecting((value) => typeof value === 'string' && isKey(value), 'a key');

const checkItem = (item: unknown, pointer: string, report: Report): void => {
  checkObject(item, pointer, report, {
    flag: checkKey,
    variant: (variant, at) => {
      if (variant !== null) checkKey(variant, at, report);
    },
    n: expecting(
      (n) => Number.isSafeInteger(n) && Number(n) >= 0 && Number(n) <= GREATEST_COUNT,
      `an integer from 0 to ${GREATEST_COUNT}`,
      'out_of_range',
    ),
  });
};

/** Every problem of a report of exposures, with JSON pointers. */
export function exposureProblems(body: unknown): readonly Problem[] {
  const report: Report = { problems: [] };
  checkObject(body, '', report, {
    ...REPORT_ENVELOPE,
    items: (items, at) => checkList(items, at, report, MOST_ITEMS, checkItem),
  });
  return report.problems;
}
