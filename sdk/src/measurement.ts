import {
  fmix32,
  group as groupOf,
  murmur3,
  unitOf,
  type Context,
  type Flag,
  type Gate,
  type Measure,
} from '@fledge/evaluation';
import { First, Sums, toMs, type Metric } from './sums.js';
import { Units, type Unit } from './units.js';

/** The arms of a rollout's audience. */
export type Arm = 'canary' | 'baseline';

/** What is measured of one arm; sums come to be when they are first added to. */
type ArmSums = { first: First; readonly metrics: Map<string, Sums> };

const MOST_METRICS = 8;
const METRIC_NAME = /^[a-z][a-z0-9_-]{0,39}$/;

/** A mark and the gate it stands beside; a mark on the flag itself has no gate. */
type Marked = { readonly measure: Measure; readonly gate?: Gate };

/** The mark of that rollout and epoch on the flag, if it is there. */
export const markOf = (flag: Flag | undefined, rollout: unknown, epoch: unknown): Marked | undefined =>
  [...(flag?.rules ?? []), ...(flag ? [flag] : [])].find(
    (holder): holder is typeof holder & Marked =>
      holder.measure?.rollout === rollout && holder.measure?.epoch === epoch,
  );

/** One epoch of a rollout as this process sees it: its units, and what each arm showed since the last report. */
export class Measurement {
  readonly rollout: string;
  readonly epoch: number;
  readonly flag: string;
  readonly #bucketBy: string | undefined;
  readonly #saltHash: number;
  readonly #metrics = new Map<string, Metric>();
  readonly #units = new Units();
  readonly #arms: Readonly<Record<Arm, ArmSums>> = {
    canary: { first: new First(), metrics: new Map() },
    baseline: { first: new First(), metrics: new Map() },
  };
  #isActive = false;
  /** Observations of what is no duration. */
  dropped = 0;

  readonly #onActive: (self: Measurement) => void;

  /** `onActive` is called with the first thing seen after a report. */
  constructor(flag: string, { measure, gate }: Marked, onActive: (self: Measurement) => void) {
    this.flag = flag;
    this.#onActive = onActive;
    this.rollout = measure.rollout;
    this.epoch = measure.epoch;
    this.#bucketBy = gate?.bucketBy;
    this.#saltHash = murmur3(gate?.salt ?? flag);
    for (const [name, metric] of Object.entries(measure.metrics)) {
      if (METRIC_NAME.test(name) && this.#metrics.size < MOST_METRICS) {
        this.#metrics.set(name, { ...metric, bit: 1 << this.#metrics.size });
      }
    }
  }

  /** How many units were forgotten since the last report. */
  get overflow(): number {
    return this.#units.forgotten;
  }

  /** Where the context's unit stands, as a bucket; undefined when it has no unit. */
  bucketOf(context: Context): number | undefined {
    const unit = unitOf(context, this.#bucketBy);
    return unit === undefined ? undefined : fmix32(murmur3(unit) ^ this.#saltHash);
  }

  expose(arm: Arm, bucket: number): void {
    this.#arms[arm].first.add(this.#find(bucket), groupOf(bucket));
  }

  /** Adds an observation; a metric that the mark does not name costs nothing. */
  count(arm: Arm, bucket: number, name: string, failed: boolean): void {
    const metric = this.#metrics.get(name);
    if (metric) this.#sums(arm, name).add(metric, this.#find(bucket), groupOf(bucket), failed);
  }

  /** The same of a duration, which fails when it is longer than the mark's bound. */
  value(arm: Arm, bucket: number, name: string, given: unknown): void {
    const metric = this.#metrics.get(name);
    if (!metric) return;
    const ms = toMs(given);
    if (ms === undefined) {
      this.#wake();
      this.dropped++;
    } else this.#sums(arm, name).add(metric, this.#find(bucket), groupOf(bucket), ms > (metric.over ?? Infinity), ms);
  }

  /** The items of a report, as JSON, and how many observations each stands for; begins the next report. */
  take(): { readonly json: string; readonly observations: number }[] {
    const { rollout, epoch } = this;
    const items = (['canary', 'baseline'] as const).flatMap((arm) => {
      const { first, metrics } = this.#arms[arm];
      if (first.n === 0 && metrics.size === 0) return [];
      const item = { rollout, epoch, arm, first, metrics: Object.fromEntries(metrics) };
      const observations = [...metrics.values()].reduce((sum, { n }) => sum + n, first.n);
      return [{ json: JSON.stringify(item), observations }];
    });
    for (const arm of Object.values(this.#arms)) {
      arm.first = new First();
      arm.metrics.clear();
    }
    this.#units.next();
    this.#isActive = false;
    this.dropped = 0;
    return items;
  }

  #find(bucket: number): Unit {
    this.#wake();
    return this.#units.find(bucket);
  }

  #wake(): void {
    if (this.#isActive) return;
    this.#isActive = true;
    this.#onActive(this);
  }

  #sums(arm: Arm, name: string): Sums {
    const { metrics } = this.#arms[arm];
    let sums = metrics.get(name);
    if (!sums) metrics.set(name, (sums = new Sums()));
    return sums;
  }
}
