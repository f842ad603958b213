import type { Context, EvaluationMetadata, Snapshot } from '@fledge/evaluation';
import { FledgeError } from './error.js';
import { ExposureCounts } from './exposure-counts.js';
import type { Answer } from './flags.js';
import { measured } from './measured.js';
import { markOf, Measurement, type Arm } from './measurement.js';
import { nowhere, type Observe, type Observer, type Tracker } from './observer.js';
import type { ReportOptions } from './options.js';
import { Outbox } from './outbox.js';
import type { Service } from './service.js';
import { sleep } from './timer.js';

/** More rollouts than that at once are not measured. */
const MOST_MEASUREMENTS = 100;

const armOf = ({ arm }: EvaluationMetadata): Arm | undefined =>
  arm === 'canary' || arm === 'baseline' ? arm : undefined;

/** Sums up what it hears and posts it every ten seconds; of units nothing leaves the process but counts by group. */
class Reporter implements Observer {
  readonly #service: Service;
  readonly #options: ReportOptions;
  readonly #snapshot: () => Snapshot | undefined;
  readonly #counts = new ExposureCounts();
  /** By rollout; one for each epoch, of which the snapshot's is found first. */
  readonly #measurements = new Map<string, Measurement[]>();
  /** Those that saw something since the last report; outcomes of an epoch that is over still come in here. */
  readonly #active = new Set<Measurement>();
  readonly #outcomes: Outbox;
  readonly #exposures: Outbox;
  readonly #life = new AbortController();
  #since: number;
  #unmeasured = 0;

  constructor(service: Service, options: ReportOptions, ...[teller, snapshot, nobody]: Parameters<Observe>) {
    this.#service = service;
    this.#options = options;
    this.#snapshot = snapshot;
    const instance = crypto.randomUUID();
    this.#outcomes = new Outbox(service, 'outcomes', instance, teller);
    this.#exposures = new Outbox(service, 'exposures', instance, teller);
    this.#exposures.dropped = nobody.missed;
    this.#since = service.now();
    this.#run().catch((cause: unknown) =>
      teller.report(FledgeError.from(cause, 'report', 'Reporting came to its end')),
    );
  }

  evaluated(key: string, context: Context, answer: Answer): void {
    if (this.#life.signal.aborted) return;
    if (this.#options.exposures !== false) this.#counts.add(key, answer);
    const { arm, unitMissing } = answer.metadata;
    if (arm !== undefined) this.#trackerOf(key, context, answer)?.expose();
    else if (unitMissing !== undefined) this.#passOver(key, unitMissing);
  }

  run<Result>(key: string, context: Context, answer: Answer, code: () => Result): Result {
    const tracker = this.#trackerOf(key, context, answer);
    return tracker ? measured(tracker, code) : code();
  }

  track(key: string, context: Context, answer: Answer): Tracker {
    const tracker = this.#trackerOf(key, context, answer);
    tracker?.expose();
    return tracker ?? nowhere;
  }

  async flush(): Promise<void> {
    if (this.#life.signal.aborted) return;
    this.#pack();
    await Promise.all([this.#outcomes.flush(), this.#exposures.flush()]);
  }

  async close(): Promise<void> {
    if (this.#life.signal.aborted) return;
    this.#life.abort();
    this.#pack();
    await Promise.all([this.#outcomes.close(), this.#exposures.close()]);
  }

  async #run(): Promise<void> {
    const { signal } = this.#life;
    const { intervalMs = 10_000 } = this.#options;
    for (;;) {
      await sleep(intervalMs * (0.9 + this.#service.random() / 5), signal);
      if (signal.aborted) return;
      this.#pack();
      await Promise.all([this.#outcomes.send(), this.#exposures.send()]);
    }
  }

  /** Closes the sums into reports and begins anew. */
  #pack(): void {
    const now = this.#service.now();
    const span = now - this.#since;
    this.#since = now;
    const counts = this.#counts.take().map((count) => ({ json: JSON.stringify(count), observations: count.n }));
    this.#exposures.add(counts, span);

    const measurements = [...this.#active];
    this.#active.clear();
    const overflow = measurements.reduce((sum, each) => sum + each.overflow, 0);
    this.#outcomes.dropped += measurements.reduce((sum, each) => sum + each.dropped, 0);
    this.#outcomes.add(
      measurements.flatMap((each) => each.take()),
      span,
      { unmeasured: this.#unmeasured, overflow },
    );
    if (measurements.length > 0) this.#unmeasured = 0;
    this.#forget(new Set(measurements));
  }

  /** Forgets the units of epochs that are over: not in the snapshot any more, and silent since the last report. */
  #forget(active: ReadonlySet<Measurement>): void {
    const flags = this.#snapshot()?.flags ?? {};
    for (const [rollout, epochs] of this.#measurements) {
      const kept = epochs.filter((each) => active.has(each) || markOf(flags[each.flag], rollout, each.epoch));
      if (kept.length > 0) this.#measurements.set(rollout, kept);
      else this.#measurements.delete(rollout);
    }
  }

  /** Counts a unit-less evaluation that a marked rule would have decided. */
  #passOver(key: string, unitMissing: unknown): void {
    const flag = this.#snapshot()?.flags[key];
    const isMarked = flag?.rules.some(
      ({ measure, gate }) => measure && (gate?.bucketBy ?? 'targetingKey') === unitMissing,
    );
    if (isMarked) this.#unmeasured++;
  }

  /** Whom to tell how it went; nobody when no rollout watches. */
  #trackerOf(key: string, context: Context, { metadata }: Answer): ArmTracker | undefined {
    const arm = armOf(metadata);
    if (arm === undefined || this.#options.outcomes === false || this.#life.signal.aborted) return undefined;
    try {
      const measurement = this.#measurementOf(key, metadata);
      const bucket = measurement?.bucketOf(context);
      return measurement && bucket !== undefined ? new ArmTracker(measurement, arm, bucket) : undefined;
    } catch {
      // A mark that cannot be understood measures nothing and breaks nothing.
      return undefined;
    }
  }

  #measurementOf(key: string, { rollout, epoch }: EvaluationMetadata): Measurement | undefined {
    if (typeof rollout !== 'string') return undefined;
    const known = this.#measurements.get(rollout);
    for (const each of known ?? []) if (each.epoch === epoch) return each;
    const marked = markOf(this.#snapshot()?.flags[key], rollout, epoch);
    if (!marked) return undefined;
    if (!known && this.#measurements.size >= MOST_MEASUREMENTS) {
      this.#outcomes.dropped++;
      return undefined;
    }
    const made = new Measurement(key, marked, (active) => this.#active.add(active));
    this.#measurements.set(rollout, [made, ...(known ?? [])]);
    return made;
  }
}

/** Adds what it is told to one arm, whatever the snapshot says meanwhile. */
class ArmTracker implements Tracker {
  readonly #measurement: Measurement;
  readonly #arm: Arm;
  readonly #bucket: number;
  #isOpen = true;

  constructor(measurement: Measurement, arm: Arm, bucket: number) {
    this.#measurement = measurement;
    this.#arm = arm;
    this.#bucket = bucket;
  }

  expose(): void {
    this.#measurement.expose(this.#arm, this.#bucket);
  }

  ok(ms?: number): void {
    this.#end(false, ms);
  }

  fail(ms?: number): void {
    this.#end(true, ms);
  }

  count(name: string, failed: boolean): void {
    this.#measurement.count(this.#arm, this.#bucket, name, failed);
  }

  value(name: string, ms: number): void {
    this.#measurement.value(this.#arm, this.#bucket, name, ms);
  }

  #end(failed: boolean, ms: number | undefined): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.count('errors', failed);
    if (ms !== undefined) this.value('latency', ms);
  }
}

/** Makes what listens from now on and reports to the service until it is closed. */
export const createReporter = (service: Service, options: ReportOptions = {}, ...host: Parameters<Observe>): Observer =>
  new Reporter(service, options, ...host);
