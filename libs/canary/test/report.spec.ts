import { isReport, validateReport } from '@fledge/canary';
import type { OutcomeReport } from '@fledge/canary';
import fc from 'fast-check';
import { expect, it } from 'vitest';

const groups = Array.from({ length: 64 }, (_, group) => group);
const sums = { n: 100, k: 5, a: 50, f: 4, r: 48, g: 3, N: groups, K: groups };
const REPORT: OutcomeReport = {
  v: 1,
  id: 'b7c1',
  instance: 'web-1',
  ageMs: 0,
  spanMs: 10_000,
  dropped: 0,
  items: [
    {
      rollout: 'r1',
      epoch: 17,
      arm: 'canary',
      first: { n: 64, groups },
      metrics: { errors: sums, latency: { ...sums, lnms: [100, 4.6, 20], sketch: { o: 200, c: [1, 2, 3] } } },
    },
  ],
};

const problems = (change: (item: Record<string, unknown>) => void): string[] => {
  const body = structuredClone(REPORT) as unknown as { items: Record<string, unknown>[] };
  for (const item of body.items) change(item);
  return validateReport(body).map(({ pointer, code }) => `${pointer} ${code}`);
};
const errors = (part: Record<string, unknown>): string[] =>
  problems((item) => {
    item['metrics'] = { errors: { ...sums, ...part } };
  });

it('accepts what an SDK reports', () => {
  expect(validateReport(REPORT)).toEqual([]);
  expect(isReport(REPORT)).toBe(true);
});

it('refuses counts that are none, parts greater than their whole, and groups that are not 64', () => {
  expect(errors({ n: -1 })).toEqual(['/items/0/metrics/errors/n out_of_range']);
  expect(errors({ n: 1.5 })).toEqual(['/items/0/metrics/errors/n out_of_range']);
  expect(errors({ k: 101 })).toEqual(['/items/0/metrics/errors inconsistent']);
  expect(errors({ f: 51 })).toEqual(['/items/0/metrics/errors inconsistent']);
  expect(errors({ g: 49 })).toEqual(['/items/0/metrics/errors inconsistent']);
  expect(errors({ N: [1] })).toEqual(['/items/0/metrics/errors/N invalid_groups']);
  expect(errors({ K: groups.map((group) => group + 1) })).toEqual(['/items/0/metrics/errors inconsistent']);
});

it('refuses moments and sketches out of bounds, and sketches of more buckets than there are', () => {
  const at = '/items/0/metrics/errors';
  expect(errors({ lnms: [100, 40, 1] })).toEqual([`${at}/lnms invalid_moments`]);
  expect(errors({ lnms: [100, 4, -1] })).toEqual([`${at}/lnms invalid_moments`]);
  expect(errors({ sketch: { o: 914, c: [1, 1] } })).toEqual([`${at}/sketch invalid_sketch`]);
  expect(errors({ sketch: { o: -231, c: [1] } })).toEqual([`${at}/sketch invalid_sketch`]);
  expect(errors({ sketch: { o: -230, c: Array.from({ length: 1_146 }, () => 0) } })).toContain(
    `${at}/sketch/c invalid_sketch`,
  );
});

it('refuses unknown arms, names of metrics that are none, and more than eight of them', () => {
  expect(problems((item) => (item['arm'] = 'control'))).toEqual(['/items/0/arm out_of_range']);
  expect(problems((item) => (item['metrics'] = { Errors: sums }))).toEqual(['/items/0/metrics/Errors unknown_field']);
  const many = Object.fromEntries(groups.slice(0, 9).map((group) => [`m${group}`, sums]));
  expect(problems((item) => (item['metrics'] = many))).toContain('/items/0/metrics too_many');
});

it('never throws, whatever comes', () => {
  fc.assert(fc.property(fc.jsonValue(), (body) => !isReport(body)));
});
