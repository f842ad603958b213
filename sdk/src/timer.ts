import { field } from './json.js';

/** The longest delay timers can hold, about 24.8 days; anything above would fire at once. */
export const LONGEST_DELAY = 2 ** 31 - 1;

/**
 * Runs `work` with a signal of its own that is aborted when `outer` is, when the work is over, and when `alive` was not
 * called again within the milliseconds it was last given. Rejects on abort even if the work never settles, and without
 * beginning it when `outer` is aborted already. Its timer never keeps a process alive and is gone when it settles.
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
    timer = setTimeout(abort, ms);
    const unref = field(timer, 'unref');
    if (typeof unref === 'function') unref.call(timer);
  };
  try {
    await Promise.race([work(inner.signal, alive), aborted]);
  } finally {
    clearTimeout(timer);
    outer.removeEventListener('abort', abort);
    inner.abort();
  }
};

/** Resolves after `ms`, or as soon as the signal is aborted. */
export const sleep = (ms: number, signal: AbortSignal): Promise<void> =>
  guard(signal, (_, alive) => {
    alive(ms);
    return new Promise(() => undefined);
  }).catch(() => undefined);
