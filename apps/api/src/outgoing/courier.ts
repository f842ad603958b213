import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../log.js';

/** Looks for something to carry out; answers what carries it, or undefined when nothing is due. `signal` ends when the process is to stop. */
export type Errand = (signal: AbortSignal) => Promise<(() => Promise<void>) | undefined>;

/** How often is looked without being told to: the truth behind the notifications. */
const LOOK_MS = 1_000;
/** After trouble with the database. */
const TROUBLE_MS = 5_000;
/** So many requests are under way at once; an address that does not answer takes one place. */
const MOST_AT_ONCE = 16;

/** Carries out what is due, several at once, outside of any transaction. Any number of processes run it side by side; the leases keep them apart. */
export class Courier {
  readonly #errands: readonly Errand[];
  readonly #log: Logger;
  readonly #stopped = new AbortController();
  readonly #underWay = new Set<Promise<void>>();
  #nap = new AbortController();
  #running: Promise<void> | undefined;

  constructor(errands: readonly Errand[], log: Logger) {
    this.#errands = errands;
    this.#log = log;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Looks now instead of in a second. */
  wake(): void {
    this.#nap.abort();
  }

  /** Ends what is under way; resolves when it is given back. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
    await Promise.all(this.#underWay);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      // Before it is looked: who wakes meanwhile is not overheard.
      this.#nap = new AbortController();
      const rest = await this.#leave();
      await sleep(rest, undefined, { signal: AbortSignal.any([signal, this.#nap.signal]) }).catch(() => undefined);
    }
  }

  /** Begins everything that is due, as far as there is room; answers for how long to rest. */
  async #leave(): Promise<number> {
    try {
      for (const errand of this.#errands) {
        while (!this.#stopped.signal.aborted && this.#underWay.size < MOST_AT_ONCE) {
          const carry = await errand(this.#stopped.signal);
          if (carry === undefined) break;
          this.#begin(carry);
        }
      }
      return LOOK_MS;
    } catch (error) {
      this.#log.warn({ err: error }, 'nothing can be sent: the database does not say what is due');
      return TROUBLE_MS;
    }
  }

  #begin(carry: () => Promise<void>): void {
    const carried = carry()
      .catch((error: unknown) => this.#log.warn({ err: error }, 'how something that was sent ended could not be noted'))
      .finally(() => {
        this.#underWay.delete(carried);
        this.wake();
      });
    this.#underWay.add(carried);
  }
}
