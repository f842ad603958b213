import { asFledgeError, type FledgeError } from './error.js';
import { ask, backoff, SILENCE_MS, type Service } from './service.js';
import type { Sink, Source } from './source.js';
import { guard, sleep } from './timer.js';

/** Asks for the snapshot again and again, saying which revision is held; failures are followed by a backoff. */
export const pollingSource =
  (service: Service): Source =>
  async (sink, signal) => {
    let failures = 0;
    while (!signal.aborted) {
      const trouble = await poll(service, sink, signal);
      await sleep(trouble ? backoff(service, failures, trouble) : pollInterval(service), signal);
      failures = trouble ? failures + 1 : 0;
    }
  };

/** The time between two polls: the one configured, ± 10 % so that many processes do not ask in step. */
export const pollInterval = ({ pollIntervalMs, random }: Service): number => pollIntervalMs * (0.9 + random() / 5);

/** Asks once. Resolves with the trouble met, which the sink was told of. */
export const poll = async (service: Service, sink: Sink, signal: AbortSignal): Promise<FledgeError | undefined> => {
  try {
    await guard(signal, async (inner, alive) => {
      alive(SILENCE_MS);
      const revision = sink.revision();
      const headers: Record<string, string> = revision === undefined ? {} : { 'If-None-Match': `"${revision}"` };
      const response = await ask(service, 'snapshot', headers, inner);
      alive(SILENCE_MS);
      if (response.status === 304) sink.current(revision);
      else sink.put(await response.json());
    });
    return undefined;
  } catch (cause) {
    const trouble = asFledgeError(
      cause,
      cause instanceof SyntaxError ? 'protocol' : 'network',
      'GET /sdk/v1/snapshot failed',
    );
    sink.lost(trouble);
    return trouble;
  }
};
