import { setTimeout as sleep } from 'node:timers/promises';
import { TickFailed, type RolloutReconciling } from '@fledge/store';
import type { Logger } from '../log.js';

/** How often due rollouts are looked for without being told to: the truth behind the notifications. */
const LOOK_MS = 1_000;
/** After trouble with the database itself. */
const TROUBLE_MS = 5_000;

/**
 * The loop that closes the circle: claims a due rollout, observes, decides, acts; again until none is due. Any number of processes
 * run it side by side, and any of them may be killed at any moment.
 */
export class Reconciler {
  readonly #rollouts: RolloutReconciling;
  readonly #decided: (decision: string) => void;
  readonly #log: Logger;
  readonly #stopped = new AbortController();
  #nap = new AbortController();
  #running: Promise<void> | undefined;

  constructor(rollouts: RolloutReconciling, decided: (decision: string) => void, log: Logger) {
    this.#rollouts = rollouts;
    this.#decided = decided;
    this.#log = log;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Looks now instead of in a second. */
  wake(): void {
    this.#nap.abort();
  }

  /** Resolves when the transaction under way, if there is one, is over. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      const pause = await this.#drain();
      this.#nap = new AbortController();
      const signal = AbortSignal.any([this.#stopped.signal, this.#nap.signal]);
      await sleep(pause, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Decides about everything that is due; answers for how long to rest. */
  async #drain(): Promise<number> {
    while (!this.#stopped.signal.aborted) {
      try {
        const ticked = await this.#rollouts.tick();
        if (ticked === undefined) return LOOK_MS;
        this.#decided(ticked.decision);
        const level = ticked.decision === 'hold' || ticked.decision === 'wait' ? 'debug' : 'info';
        this.#log[level](ticked, 'rollout decided');
      } catch (error) {
        if (!(error instanceof TickFailed)) {
          this.#log.warn({ err: error }, 'no rollout can be decided about');
          return TROUBLE_MS;
        }
        this.#decided('error');
        this.#log.error({ err: error.cause, rollout: error.rollout }, 'a rollout could not be decided about');
      }
    }
    return 0;
  }
}
