import type { Tracker } from './observer.js';

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';

/** Runs the code and tells the tracker how it went and how long it took, for a promise when it is settled. */
export function measured<Result>(tracker: Tracker, code: () => Result): Result;
export function measured(tracker: Tracker, code: () => unknown): unknown {
  const began = performance.now();
  const end = (failed: boolean): void => tracker[failed ? 'fail' : 'ok'](performance.now() - began);
  let result: unknown;
  try {
    result = code();
  } catch (error) {
    end(true);
    throw error;
  }
  if (!isThenable(result)) {
    end(false);
    return result;
  }
  return Promise.resolve(result).then(
    (value) => {
      end(false);
      return value;
    },
    (error: unknown) => {
      end(true);
      throw error;
    },
  );
}
