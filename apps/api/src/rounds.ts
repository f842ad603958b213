import { setTimeout as sleep } from 'node:timers/promises';

/** One round of work; answers for how many milliseconds to rest afterwards. Does not throw. `signal` ends when the process is to stop. */
export type Round = (signal: AbortSignal) => Promise<number>;

/** How often a round looks for work without being told to: the truth behind the notifications. */
export const LOOK_MS = 1_000;
/** The rest after trouble with the database. */
export const TROUBLE_MS = 5_000;

/** Goes round after round until it is stopped, and rests in between unless somebody wakes it. */
export class Rounds {
  readonly #round: Round;
  readonly #stopped = new AbortController();
  #nap = new AbortController();
  #running: Promise<void> | undefined;

  constructor(round: Round) {
    this.#round = round;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** The next round begins now, or at once after the one under way: who wakes meanwhile is not overheard. */
  wake(): void {
    this.#nap.abort();
  }

  /** Resolves when the round under way, if there is one, is over. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      this.#nap = new AbortController();
      const rest = await this.#round(signal);
      await sleep(rest, undefined, { signal: AbortSignal.any([signal, this.#nap.signal]) }).catch(() => undefined);
    }
  }
}
