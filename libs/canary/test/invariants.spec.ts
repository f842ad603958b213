import {
  bakeStep,
  mergeArms,
  mergeSketches,
  mergeSums,
  observe,
  quantile,
  sketchCount,
  sketchEdge,
  sketchIndex,
} from '@fledge/canary';
import type { ArmSums, Evidence, Sketch, Sums } from '@fledge/canary';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { entered, run, startOf } from './support/rollout.js';
import type { Rollout } from './support/rollout.js';
import { NO_TRAFFIC, patience } from '../src/traffic.js';
import { randomOf } from './simulation/random.js';

const count = fc.integer({ min: 0, max: 1_000_000 });
const groups = fc.oneof(fc.constant([]), fc.array(count, { minLength: 64, maxLength: 64 }));
const sketch = fc.record({ o: fc.integer({ min: -230, max: 900 }), c: fc.array(count, { maxLength: 14 }) });
const moments = fc.tuple(
  count,
  fc.double({ min: -4, max: 18, noNaN: true }),
  fc.double({ min: 0, max: 1e6, noNaN: true }),
);
const sums: fc.Arbitrary<Sums> = fc.record(
  { n: count, k: count, a: count, f: count, r: count, g: count, N: groups, K: groups, lnms: moments, sketch },
  { requiredKeys: ['n', 'k', 'a', 'f', 'r', 'g', 'N', 'K'] },
);

/** A sketch as a map from bucket to count, without the empty ones: two sketches are the same when these are. */
function filled({ o, c }: Sketch): [number, number][] {
  return c.flatMap((held, index): [number, number][] => (held > 0 ? [[o + index, held]] : []));
}

function expectSame(one: Sums, other: Sums) {
  const { lnms: lnms1, sketch: sketch1, ...counts1 } = one;
  const { lnms: lnms2, sketch: sketch2, ...counts2 } = other;
  expect(counts1).toEqual(counts2);
  expect(sketch1 && filled(sketch1)).toEqual(sketch2 && filled(sketch2));
  expect(lnms1?.[0]).toBe(lnms2?.[0]);
  for (const index of [1, 2] as const) {
    const [a, b] = [lnms1?.[index] ?? 0, lnms2?.[index] ?? 0];
    expect(Math.abs(a - b)).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(a), Math.abs(b)));
  }
}

describe('sums', () => {
  it('merge in any order', () => {
    fc.assert(fc.property(sums, sums, (a, b) => expectSame(mergeSums(a, b), mergeSums(b, a))));
  });

  it('merge in any grouping', () => {
    const grouped = (a: Sums, b: Sums, c: Sums): void =>
      expectSame(mergeSums(mergeSums(a, b), c), mergeSums(a, mergeSums(b, c)));
    fc.assert(fc.property(sums, sums, sums, grouped));
  });

  it('keep every metric of both arms when arms merge', () => {
    const arm = (metrics: ArmSums['metrics']): ArmSums => ({ first: { n: 1, groups: [] }, metrics });
    fc.assert(
      fc.property(sums, sums, sums, (a, b, c) => {
        const merged = mergeArms(arm({ errors: a }), arm({ errors: b, latency: c }));
        expectSame(merged.metrics['errors'] ?? a, mergeSums(a, b));
        expect(merged.metrics['latency']).toEqual(c);
        expect(merged.first.n).toBe(2);
      }),
    );
  });
});

describe('a sketch', () => {
  it('finds a quantile within one per cent of the real one', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.02, max: 80_000_000, noNaN: true }), { minLength: 1, maxLength: 200 }),
        fc.constantFrom(0.01, 0.5, 0.95, 0.99, 1),
        (values, q) => {
          const held = values.map((ms): Sketch => ({ o: sketchIndex(ms), c: [1] })).reduce(mergeSketches);
          expect(sketchCount(held)).toBe(values.length);
          const real = values.toSorted((a, b) => a - b)[Math.max(1, Math.ceil(q * values.length)) - 1] ?? NaN;
          expect(Math.abs((quantile(held, q) ?? NaN) - real)).toBeLessThanOrEqual(0.010_000_1 * real);
        },
      ),
    );
  });

  it('puts every value between the edges of its bucket', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.01, max: 86_400_000, noNaN: true }), (ms) => {
        const index = sketchIndex(ms);
        expect(ms).toBeLessThanOrEqual(sketchEdge(index) * (1 + 1e-12));
        expect(ms).toBeGreaterThan(sketchEdge(index - 1) * (1 - 1e-12));
      }),
    );
  });
});

/** Windows of a rollout, drawn once: about 1 % errors, latencies around 100 ms, units in groups. */
function drawn(seed: number): (rollout: Rollout) => { canary: ArmSums; baseline: ArmSums } {
  const random = randomOf(seed);
  const arm = (n: number): ArmSums => {
    const [k, slow] = [random.binomial(n, 0.012), random.binomial(n, 0.05)];
    const spread = (total: number): number[] => {
      const held = Array.from({ length: 64 }, () => 0);
      for (let unit = 0; unit < total; unit++) {
        const at = Math.floor(random.uniform() * 64);
        held[at] = (held[at] ?? 0) + 1;
      }
      return held;
    };
    const [N, failed, late] = [spread(n), spread(k), spread(slow)];
    const base = { n, a: n, r: n, N };
    const c = Array.from({ length: 300 }, () => 0);
    for (let request = 0; request < n; request++) {
      const at = Math.min(299, Math.max(0, sketchIndex(Math.exp(4.6 + random.normal())) - 80));
      c[at] = (c[at] ?? 0) + 1;
    }
    const lnms = [n, 4.6 + random.normal() / Math.sqrt(n), n * (0.8 + 0.4 * random.uniform())] as const;
    const latency: Sums = { ...base, k: slow, f: slow, g: slow, K: late, lnms, sketch: { o: 80, c } };
    return { first: { n, groups: N }, metrics: { errors: { ...base, k, f: k, g: k, K: failed }, latency } };
  };
  return () => ({ canary: arm(30), baseline: arm(270) });
}

const EVERYTHING = {
  warmup: '2m',
  window: '10s',
  guardrails: [
    { metric: 'errors' },
    { metric: 'latency' },
    { metric: 'latency', kind: 'mean' },
    { metric: 'errors', kind: 'limit', test: 'rate', limit: 0.05 },
    { metric: 'latency', kind: 'limit', test: 'point', limit: 10_000 },
  ],
  stages: [
    { percentage: 10, minBake: '2m', evidence: { proven: { relative: 1, absolute: 0.0005 } } },
    { percentage: 50, minBake: '5m' },
  ],
} as const;

describe('evidence', () => {
  it('is the same after a restart at any window, and its JSON is exact', () => {
    for (const restart of [1, 7, 13, 14, 20, 40]) {
      const whole = run(startOf(EVERYTHING), 45, drawn(restart));
      const windows = drawn(restart);
      const before = run(startOf(EVERYTHING), restart, windows).rollout;
      const kept: Evidence = JSON.parse(JSON.stringify(before.evidence));
      expect(kept).toEqual(before.evidence);
      const after = run({ ...before, evidence: kept }, 45 - restart, windows);
      expect(after.rollout.evidence).toEqual(whole.rollout.evidence);
      expect(after.decisions.at(-1)).toEqual(whole.decisions.at(-1));
    }
  });

  it('holds no number that JSON cannot carry', () => {
    const { evidence } = run(startOf(EVERYTHING), 45, drawn(1)).rollout;
    const numbers: unknown[] = [];
    JSON.stringify(evidence, (_, value: unknown) => (typeof value === 'number' ? numbers.push(value) : value));
    expect(numbers.length).toBeGreaterThan(100);
    expect(numbers.every(Number.isFinite)).toBe(true);
  });

  it('counts late windows of an earlier stage as evidence, and of the warm-up as none; neither as samples', () => {
    const first = run(startOf(EVERYTHING), 16, drawn(3)).rollout;
    expect(first.evidence.phase).toBe('baking');
    const second = entered(first, { stage: 1 });
    const late = (epoch: number) =>
      observe(second.plan, second.evidence, { ...drawn(4)(second), epoch, start: second.now });
    const tested = ({ guardrails }: Evidence) => (guardrails[0]?.kind === 'tested' ? guardrails[0] : undefined);
    const blocks = tested(second.evidence)?.process.blocks ?? NaN;
    expect(tested(late(second.epoch - 1))?.process.blocks).toBe(blocks + 1);
    expect(tested(late(1))).toEqual(tested(second.evidence));
    expect(late(second.epoch - 1).traffic).toMatchObject({ requests: 0, units: 0, lastBlock: null });
    expect(late(second.epoch).traffic).toMatchObject({ requests: 30, units: 30 });
    // Nor do those of an earlier epoch of the same stage: what was read in its time has been counted.
    const again = entered(first, { stage: 0 });
    const { requests } = first.evidence.traffic;
    const after = (epoch: number) =>
      observe(again.plan, again.evidence, { ...drawn(4)(again), epoch, start: again.now }).traffic.requests;
    expect([again.epoch - 1, again.epoch].map(after)).toEqual([requests, requests + 30]);
  });
});

it('lengthens the bake by what passed since the last tick, never backwards and never by more than two windows', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1e12 }), fc.integer({ min: -1e10, max: 1e10 }), (last, passed) => {
      const step = bakeStep(last, last + passed, 30_000);
      expect(step).toBe(Math.min(60_000, Math.max(0, passed)));
    }),
  );
});

it('misses data after five windows, a minute, or three times as long as a canary request takes to come', () => {
  const wait = (rate: number, windowMs: number, share: number): number =>
    Math.round(patience({ ...NO_TRAFFIC, rate }, windowMs, share));
  expect([wait(0, 10_000, 0.5), wait(0, 30_000, 0.5), wait(1 / 1_000, 30_000, 0.01)]).toEqual([
    60_000, 150_000, 300_000,
  ]);
});
