/** The same work, never twice at once: who calls while it runs shares, with all others who do, one run that begins after it. Never rejects if the work does not. */
export function oneAtATime(work: () => Promise<void>): () => Promise<void> {
  let running = Promise.resolve();
  let waiting: Promise<void> | undefined;
  const begin = (): Promise<void> => {
    waiting = undefined;
    running = work();
    return running;
  };
  return () => (waiting ??= running.then(begin, begin));
}
