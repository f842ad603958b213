import type { Logger } from '../log.js';
import { LOOK_MS, Rounds, TROUBLE_MS } from '../rounds.js';

/** Looks for something to carry out; answers what carries it, or undefined when nothing is due. `signal` ends when the process is to stop. */
export type Errand = (signal: AbortSignal) => Promise<(() => Promise<void>) | undefined>;

/** So many requests are under way at once; an address that does not answer takes one place. */
const MOST_AT_ONCE = 16;

/** Carries out what is due, several at once, outside of any transaction. Any number of processes run it side by side; the leases keep them apart. */
export class Courier {
  readonly #errands: readonly Errand[];
  readonly #log: Logger;
  readonly #underWay = new Set<Promise<void>>();
  readonly #rounds = new Rounds((signal) => this.#leave(signal));

  constructor(errands: readonly Errand[], log: Logger) {
    this.#errands = errands;
    this.#log = log;
  }

  start(): void {
    this.#rounds.start();
  }

  /** Looks now instead of in a second. */
  wake(): void {
    this.#rounds.wake();
  }

  /** Ends what is under way; resolves when it is given back. */
  async stop(): Promise<void> {
    await this.#rounds.stop();
    await Promise.all(this.#underWay);
  }

  /** Begins everything that is due, as far as there is room; answers for how long to rest. */
  async #leave(signal: AbortSignal): Promise<number> {
    try {
      for (const errand of this.#errands) {
        while (!signal.aborted && this.#underWay.size < MOST_AT_ONCE) {
          const carry = await errand(signal);
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
