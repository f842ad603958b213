import type { Measure } from '@fledge/evaluation';
import type { Unit } from './units.js';

const GROUPS = 64;
const SHORTEST_MS = 0.01;
const LONGEST_MS = 86_400_000;
const LN_GAMMA = Math.log(1.01 / 0.99);

const zeros = (): number[] => Array.from({ length: GROUPS }, () => 0);

const bump = (counts: number[], index: number): void => {
  counts[index] = (counts[index] ?? 0) + 1;
};

/** What the mark says about a metric; `bit` is its place among a unit's bits. */
export type Metric = Measure['metrics'][string] & { readonly bit: number };

/** First exposures of units. */
export class First {
  n = 0;
  readonly groups = zeros();

  add(unit: Unit, group: number): void {
    if (unit.exposed) return;
    unit.exposed = true;
    this.n++;
    bump(this.groups, group);
  }
}

/** Milliseconds, nearer and farther ones moved to the bounds; undefined for what is no duration. */
export const toMs = (ms: unknown): number | undefined =>
  typeof ms === 'number' && ms >= 0 && ms < Infinity ? Math.min(Math.max(ms, SHORTEST_MS), LONGEST_MS) : undefined;

/**
 * What one arm showed of one metric since the last report, as sums that merge: requests and failures, units and failing
 * units, units at risk and those that failed for the first time, by group, and for durations the moments of ln(ms)
 * (Welford 1962) and a DDSketch of relative accuracy 0.01 (Masson, Rim, Lee 2019).
 */
export class Sums {
  n = 0;
  k = 0;
  a = 0;
  f = 0;
  r = 0;
  g = 0;
  readonly N = zeros();
  readonly K = zeros();
  #mean = 0;
  #m2 = 0;
  #durations = 0;
  readonly #buckets = new Map<number, number>();

  /** One observation of a unit; `ms` as `toMs` gives it. */
  add(metric: Metric, unit: Unit, group: number, failed: boolean, ms?: number): void {
    const { bit, count } = metric;
    const isActive = (unit.active & bit) !== 0;
    const wasFailing = (unit.failed & bit) !== 0;
    const isAtRisk = (unit.before & bit) === 0;
    unit.active |= bit;
    this.n++;
    if (!isActive) this.a++;
    if (!isActive && isAtRisk) this.r++;
    if (count === 'request' || (!isActive && (count === 'unit_window' || isAtRisk))) bump(this.N, group);
    if (failed) {
      unit.failed |= bit;
      this.k++;
      if (!wasFailing) this.f++;
      if (!wasFailing && isAtRisk) this.g++;
      if (count === 'request' || (!wasFailing && (count === 'unit_window' || isAtRisk))) bump(this.K, group);
    }
    if (ms !== undefined) this.#addDuration(ms);
  }

  #addDuration(ms: number): void {
    const ln = Math.log(ms);
    const apart = ln - this.#mean;
    this.#mean += apart / ++this.#durations;
    this.#m2 += apart * (ln - this.#mean);
    const index = Math.ceil(ln / LN_GAMMA);
    this.#buckets.set(index, (this.#buckets.get(index) ?? 0) + 1);
  }

  toJSON(): object {
    const { n, k, a, f, r, g, N, K } = this;
    const sums = { n, k, a, f, r, g, N, K };
    if (this.#durations === 0) return sums;
    const o = Math.min(...this.#buckets.keys());
    const length = Math.max(...this.#buckets.keys()) - o + 1;
    const c = Array.from({ length }, (_, index) => this.#buckets.get(o + index) ?? 0);
    return { ...sums, lnms: [this.#durations, this.#mean, this.#m2], sketch: { o, c } };
  }
}
