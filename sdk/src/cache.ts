import type { Snapshot } from '@fledge/evaluation';
import type { SnapshotCache } from './options.js';

/**
 * Makes the function that saves snapshots one after the other: of those that come while one is being saved only the
 * newest is. It resolves when nothing is left to save; without a snapshot it only waits for that.
 */
export const cacheWriter = (
  cache: SnapshotCache,
  onThrow: (cause: unknown) => void,
): ((snapshot?: Snapshot) => Promise<void>) => {
  /** The newest snapshot not yet handed to `save`. */
  let next: Snapshot | undefined;
  /** Present while a save is under way: there is never a second one. */
  let running: Promise<void> | undefined;

  const run = async (): Promise<void> => {
    await Promise.resolve();
    while (next) {
      const snapshot = next;
      next = undefined;
      await Promise.resolve(snapshot)
        .then((newest) => cache.save(newest))
        .catch(onThrow);
    }
    running = undefined;
  };

  return (snapshot) => {
    next = snapshot ?? next;
    return (running ??= run());
  };
};
