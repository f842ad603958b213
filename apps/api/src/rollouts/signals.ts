import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Wakes whoever waits for something to happen to a rollout. A hint, never the truth: after every waking the database is asked. When
 * the process is to end, nobody waits any longer.
 */
export class RolloutSignals {
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #drained = new AbortController();

  get draining(): boolean {
    return this.#drained.signal.aborted;
  }

  /** Something happened to this rollout. */
  wake(rollout: string): void {
    for (const resolve of this.#waiting.get(rollout) ?? []) resolve();
  }

  /** Ends every waiting. */
  drain(): void {
    this.#drained.abort();
  }

  /** Resolves when something happens to the rollout, after `ms` at the latest, and when the process is to end. */
  async wait(rollout: string, ms: number): Promise<void> {
    const done = new AbortController();
    const signal = AbortSignal.any([done.signal, this.#drained.signal]);
    const wake = (): void => done.abort();
    const others = this.#waiting.get(rollout) ?? new Set();
    this.#waiting.set(rollout, others.add(wake));
    await sleep(ms, undefined, { signal }).catch(() => undefined);
    others.delete(wake);
    if (others.size === 0) this.#waiting.delete(rollout);
  }
}
