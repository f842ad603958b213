import { field } from './json.js';

/** The longest delay timers can hold, about 24.8 days; anything above would fire at once. */
export const LONGEST_DELAY = 2 ** 31 - 1;

/** Like `setTimeout`, but a timer that waits never keeps a process alive. */
export const backgroundTimeout = (action: () => void, ms: number): ReturnType<typeof setTimeout> => {
  const timer = setTimeout(action, ms);
  const unref = field(timer, 'unref');
  if (typeof unref === 'function') unref.call(timer);
  return timer;
};

/** Resolves after `ms`, or as soon as the signal is aborted; leaves no timer and no listener behind. */
export const sleep = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = backgroundTimeout(done, ms);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });

/**
 * Runs `work` with a signal of its own that is aborted when `outer` is, when the work is over, and when `alive` was not
 * called again within the milliseconds it was last given. Rejects on abort even if the work never settles, and without beginning it when `outer` is aborted already.
 */
export const guard = async (
  outer: AbortSignal,
  work: (signal: AbortSignal, alive: (ms: number) => void) => Promise<void>,
): Promise<void> => {
  outer.throwIfAborted();
  const inner = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let abort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => {
      inner.abort();
      reject(new Error('no answer in time'));
    };
  });
  outer.addEventListener('abort', abort);
  const alive = (ms: number): void => {
    clearTimeout(timer);
    timer = backgroundTimeout(abort, ms);
  };
  try {
    await Promise.race([work(inner.signal, alive), aborted]);
  } finally {
    clearTimeout(timer);
    outer.removeEventListener('abort', abort);
    inner.abort();
  }
};
