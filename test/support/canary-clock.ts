import { EMPTY_SUMS, GROUPS, milliseconds, type ArmSums, type Sketch, type Window } from '@fledge/canary';
import { createDataSource, RolloutReconciling, TickFailed, type RolloutDocument } from '@fledge/store';
import { ROLLOUTS, steer } from './rollout.js';
import type { TestApi } from './api.js';

/** The share of requests that fails in each arm; an arm that is left out sends nothing. */
export type Rates = { readonly canary?: number; readonly baseline?: number };

/** Of the whole audience, in a window. */
const REQUESTS = 400;

/** Whole numbers that add up to `total`, as even as can be. */
const spread = (total: number): number[] =>
  Array.from(
    { length: GROUPS },
    (_, index) => Math.floor((total * (index + 1)) / GROUPS) - Math.floor((total * index) / GROUPS),
  );

function armOf(n: number, rate: number | undefined): ArmSums {
  if (n === 0 || rate === undefined) return { first: { n: 0, groups: [] }, metrics: {} };
  const k = Math.round(n * rate);
  // Every request is another unit's.
  const sums = { n, k, a: n, f: k, r: n, g: k, N: spread(n), K: spread(k) };
  return { first: { n, groups: spread(n) }, metrics: { errors: sums } };
}

/** Nothing is wrong. */
export const HEALTHY: Rates = { canary: 0.025, baseline: 0.025 };
/** The canary fails ten times as often. */
export const FAULTY: Rates = { canary: 0.25, baseline: 0.025 };

/** A rollout with a clock of its own: the real reconciler decides about it at times that the test says. */
export class CanaryClock {
  /** Of the replica that ticks. */
  readonly #replicas: RolloutReconciling[] = [];
  readonly #close: (() => Promise<void>)[] = [];
  readonly #windows: Window[] = [];
  now: number;
  /** While true nothing of the rollout can be read. */
  broken = false;
  #next = 0;

  private constructor(
    readonly api: TestApi,
    readonly rollout: RolloutDocument,
  ) {
    this.now = Date.parse(rollout.startedAt ?? rollout.createdAt);
  }

  /** `replicas` take turns, each with connections of its own. */
  static async of(api: TestApi, rollout: RolloutDocument, replicas = 1): Promise<CanaryClock> {
    const clock = new CanaryClock(api, rollout);
    for (let index = 0; index < replicas; index += 1) {
      const dataSource = createDataSource({ url: api.databaseUrl, poolSize: 2 });
      await dataSource.initialize();
      clock.#close.push(() => dataSource.destroy());
      clock.#replicas.push(
        new RolloutReconciling(dataSource, async (_tx, { id }) => {
          if (id !== rollout.id) return [];
          if (clock.broken) throw new Error('This rollout cannot be read.');
          return clock.#windows.splice(0);
        }),
      );
    }
    return clock;
  }

  get replicas(): readonly RolloutReconciling[] {
    return this.#replicas;
  }

  /** Where it stands now. */
  async read(): Promise<RolloutDocument> {
    return (await this.api.admin.get(`${ROLLOUTS}/${this.rollout.id}`).expect(200)).body as RolloutDocument;
  }

  /** So many windows pass, each of the epoch of its time; whatever is due in each is decided. */
  async pass(windows: number, rates: Rates = {}): Promise<RolloutDocument> {
    let last = await this.read();
    for (let index = 0; index < windows; index += 1) {
      this.advance(milliseconds(this.rollout.plan.window));
      if (last.epoch !== null) this.show(last.epoch, rates, last.percentage);
      await this.decide();
      last = await this.read();
      if (last.endedAt !== null && last.watchUntil === null) break;
    }
    return last;
  }

  /** Time passes without anything being decided. */
  advance(ms: number): void {
    this.now += ms;
  }

  /** A window of this epoch, with the arms as large as the percentage makes them; `sketch` is of control's latencies. */
  show(epoch: number, { canary, baseline }: Rates, percentage: number, sketch?: Sketch): void {
    const start = Math.floor(this.now / 10_000) * 10_000 - 20_000;
    const first = Math.round((REQUESTS * percentage) / 100);
    const control = armOf(REQUESTS - first, baseline);
    const latency = sketch === undefined ? {} : { latency: { ...EMPTY_SUMS, sketch } };
    const timed = { ...control, metrics: { ...control.metrics, ...latency } };
    this.#windows.push({ epoch, start, canary: armOf(first, canary), baseline: timed });
  }

  /** Decides about everything that is due. */
  async decide(): Promise<void> {
    const replica = this.#replicas[this.#next % this.#replicas.length];
    this.#next += 1;
    for (let more = true; more;) {
      const ticked = await replica?.tick(new Date(this.now)).catch((error: unknown) => {
        if (error instanceof TickFailed) return error;
        throw error;
      });
      more = ticked !== undefined;
    }
  }

  /** Ends the rollout if it lives still, so that nothing of it is due any more. */
  async close(): Promise<void> {
    const { allowed } = await this.read();
    const end = allowed.includes('rollback') ? 'rollback' : allowed.includes('cancel') ? 'cancel' : undefined;
    if (end !== undefined) await steer(this.api.admin, this.rollout.id, end).expect(200);
    for (const close of this.#close) await close();
  }
}
