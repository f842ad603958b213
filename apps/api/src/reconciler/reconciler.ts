import { TickFailed, type RolloutReconciling } from '@fledge/store';
import type { Logger } from '../log.js';
import { LOOK_MS, Rounds, TROUBLE_MS } from '../rounds.js';

/**
 * The loop that closes the circle: claims a due rollout, observes, decides, acts; again until none is due. Any number of processes
 * run it side by side, and any of them may be killed at any moment.
 */
export class Reconciler {
  readonly #rollouts: RolloutReconciling;
  readonly #decided: (decision: string) => void;
  readonly #log: Logger;
  readonly #rounds = new Rounds((signal) => this.#drain(signal));

  constructor(rollouts: RolloutReconciling, decided: (decision: string) => void, log: Logger) {
    this.#rollouts = rollouts;
    this.#decided = decided;
    this.#log = log;
  }

  start(): void {
    this.#rounds.start();
  }

  /** Looks now instead of in a second. */
  wake(): void {
    this.#rounds.wake();
  }

  /** Resolves when the transaction under way, if there is one, is over. */
  stop(): Promise<void> {
    return this.#rounds.stop();
  }

  /** Decides about everything that is due; answers for how long to rest. */
  async #drain(signal: AbortSignal): Promise<number> {
    while (!signal.aborted) {
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
