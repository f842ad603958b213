import { sketchIndex, validateReport, type Arm, type OutcomeReport, type Sums } from '@fledge/canary';
import { bucket, group, threshold, type Measure } from '@fledge/evaluation';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { armOf, report, watched, watchedSnapshot } from './support/reports.js';

type Count = Measure['metrics'][string]['count'];

/** One thing that happened: to which unit, in which report, and how it went. */
type Happening = {
  readonly unit: string;
  readonly report: number;
  readonly metric: 'errors' | 'latency' | 'checks';
} & {
  readonly failed: boolean;
  readonly ms: number;
};

const happenings = fc.array(
  fc.record({
    unit: fc.integer({ min: 0, max: 9 }).map((n) => `user-${n}`),
    report: fc.integer({ min: 0, max: 2 }),
    metric: fc.constantFrom('errors' as const, 'latency' as const, 'checks' as const),
    failed: fc.boolean(),
    ms: fc.double({ min: 0, max: 1e9, noNaN: true }),
  }),
  { maxLength: 60 },
);

const OVER = 1_000;
const armOfUnit = (unit: string): Arm => (bucket(unit, 'salt') < threshold(50) ? 'canary' : 'baseline');
const groupOfUnit = (unit: string): number => group(bucket(unit, 'salt'));
const clamped = (ms: number): number => Math.min(Math.max(ms, 0.01), 86_400_000);
const isFailure = ({ metric, failed, ms }: Happening): boolean => (metric === 'latency' ? clamped(ms) > OVER : failed);
const byGroup = (units: readonly string[]): number[] => {
  const counts = Array.from({ length: 64 }, () => 0);
  for (const unit of units) counts[groupOfUnit(unit)] = (counts[groupOfUnit(unit)] ?? 0) + 1;
  return counts;
};

/** The sums of one report by their definitions, from everything that ever happened. */
const expectedSums = (all: readonly Happening[], own: readonly Happening[], number: number, count: Count): Sums => {
  const failures = own.filter(isFailure);
  const hadFailed = new Set(all.filter((each) => each.report < number && isFailure(each)).map(({ unit }) => unit));
  const active = [...new Set(own.map(({ unit }) => unit))];
  const failing = [...new Set(failures.map(({ unit }) => unit))];
  const atRisk = active.filter((unit) => !hadFailed.has(unit));
  const failingFirst = failing.filter((unit) => !hadFailed.has(unit));
  const [whole, part] = {
    request: [own.map(({ unit }) => unit), failures.map(({ unit }) => unit)] as const,
    unit_window: [active, failing] as const,
    first_failure: [atRisk, failingFirst] as const,
  }[count];
  return {
    n: own.length,
    k: failures.length,
    a: active.length,
    f: failing.length,
    r: atRisk.length,
    g: failingFirst.length,
    N: byGroup(whole),
    K: byGroup(part),
  };
};

describe('the sums of a report', () => {
  it('are what their definitions say, whatever happens to whom in whichever order', async () => {
    await fc.assert(
      fc.asyncProperty(
        happenings,
        fc.constantFrom<Count>('request', 'unit_window', 'first_failure'),
        async (all, count) => {
          const metrics = { errors: { count }, latency: { count, over: OVER }, checks: { count } };
          const { client, outcomes } = await report(watchedSnapshot(watched({ metrics })));
          const reports: (OutcomeReport | undefined)[] = [];
          for (const number of [0, 1, 2]) {
            for (const { unit, metric, failed, ms } of all.filter((each) => each.report === number)) {
              const tracker = client.track('checkout', { targetingKey: unit });
              if (metric === 'latency') tracker.value(metric, ms);
              else tracker.count(metric, failed);
            }
            const before = outcomes.length;
            await client.flush();
            reports.push(outcomes[before]);
          }
          await client.close();
          for (const [number, posted] of reports.entries()) {
            const inReport = all.filter((each) => each.report === number);
            if (inReport.length === 0) {
              expect(posted).toBeUndefined();
              continue;
            }
            expect(posted && validateReport(posted)).toEqual([]);
            if (!posted) continue;
            for (const arm of ['canary', 'baseline'] as const) {
              const inArm = inReport.filter(({ unit }) => armOfUnit(unit) === arm);
              if (inArm.length === 0) continue;
              const { first, metrics: told } = armOf(posted, arm);
              const seenBefore = new Set(all.filter((each) => each.report < number).map(({ unit }) => unit));
              const fresh = [...new Set(inArm.map(({ unit }) => unit))].filter((unit) => !seenBefore.has(unit));
              expect(first).toEqual({ n: fresh.length, groups: byGroup(fresh) });
              for (const metric of ['errors', 'latency', 'checks'] as const) {
                const own = inArm.filter((each) => each.metric === metric);
                if (own.length === 0) {
                  expect(told[metric]).toBeUndefined();
                  continue;
                }
                const { lnms, sketch, ...sums } = told[metric] ?? {};
                const ofMetric = all.filter((each) => each.metric === metric);
                expect(sums).toEqual(expectedSums(ofMetric, own, number, count));
                if (metric !== 'latency') {
                  expect([lnms, sketch]).toEqual([undefined, undefined]);
                  continue;
                }
                const logs = own.map(({ ms }) => Math.log(clamped(ms)));
                const mean = logs.reduce((sum, ln) => sum + ln, 0) / logs.length;
                const m2 = logs.reduce((sum, ln) => sum + (ln - mean) ** 2, 0);
                expect(lnms?.[0]).toBe(logs.length);
                expect(lnms?.[1]).toBeCloseTo(mean, 9);
                expect(lnms?.[2]).toBeCloseTo(m2, 6);
                const told64 = sketch?.c.flatMap((n, i) => Array.from({ length: n }, () => i + sketch.o));
                expect(told64).toEqual(own.map(({ ms }) => sketchIndex(ms)).toSorted((a, b) => a - b));
              }
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('drop what is no duration, and count it', async () => {
    const { client, outcomes } = await report();
    const tracker = client.track('checkout', { targetingKey: 'user-1' });
    for (const ms of [Number.NaN, Infinity, -1]) tracker.value('latency', ms);
    tracker.value('latency', 0);
    await client.flush();
    expect(outcomes[0]?.dropped).toBe(3);
    expect(outcomes[0]?.items[0]?.metrics['latency']).toMatchObject({ n: 1, lnms: [1, Math.log(0.01), 0] });
  });

  it('remember 5,000 units of a rollout, forget those seen longest ago and say how many', async () => {
    const { client, outcomes, posted } = await report();
    const visit = (from: number, to: number): void => {
      for (let i = from; i < to; i++) client.track('checkout', { targetingKey: `user-${i}` }).ok(1);
    };
    visit(0, 5_000);
    visit(0, 5_000);
    await client.flush();
    visit(2_500, 5_000);
    visit(5_000, 7_500);
    await client.flush();
    visit(2_500, 7_500);
    await client.flush();
    visit(0, 2_500);
    await client.flush();
    const first = outcomes.map(({ items }) => items.reduce((sum, item) => sum + item.first.n, 0));
    const active = outcomes.map(({ items }) => items.reduce((sum, item) => sum + (item.metrics['errors']?.a ?? 0), 0));
    expect(first).toEqual([5_000, 2_500, 0, 2_500]);
    expect(active).toEqual([5_000, 5_000, 5_000, 2_500]);
    expect(outcomes.map(({ overflow }) => overflow)).toEqual([0, 2_500, 0, 2_500]);
    expect(Math.max(...posted.map((body) => body.length))).toBeLessThan(262_144);
  });
});
