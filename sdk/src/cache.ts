import type { Snapshot } from '@fledge/evaluation';
import type { SnapshotCache } from './options.js';

/** Saves snapshots one after the other; of those that arrive while one is being saved only the newest is. */
export class CacheWriter {
  readonly #cache: SnapshotCache;
  readonly #onThrow: (cause: unknown) => void;
  /** The newest snapshot not yet handed to `save`. */
  #next: Snapshot | undefined;
  /** Present while a save is under way: there is never a second one. */
  #running: Promise<void> | undefined;

  constructor(cache: SnapshotCache, onThrow: (cause: unknown) => void) {
    this.#cache = cache;
    this.#onThrow = onThrow;
  }

  write(snapshot: Snapshot): void {
    this.#next = snapshot;
    this.#running ??= this.#run();
  }

  /** Resolves when nothing is left to save. */
  async idle(): Promise<void> {
    await this.#running;
  }

  /** Yields before the first save, so that `#running` is set when it ends. */
  async #run(): Promise<void> {
    await Promise.resolve();
    while (this.#next) {
      const snapshot = this.#next;
      this.#next = undefined;
      try {
        await this.#cache.save(snapshot);
      } catch (cause) {
        this.#onThrow(cause);
      }
    }
    this.#running = undefined;
  }
}
