import type { FledgeError } from './error.js';
import { ask, backoff, SILENCE_MS, type Service } from './service.js';
import type { Sink, Source } from './source.js';
import { sleep } from './timer.js';

/** Asks for the snapshot again and again, saying which revision is held; failures are followed by a backoff. */
export const pollingSource =
  (service: Service): Source =>
  async (sink, signal) => {
    let failures = 0;
    while (!signal.aborted) {
      const trouble = await poll(service, sink, signal);
      await sleep(trouble ? backoff(service, failures++, trouble) : pollInterval(service), signal);
      if (!trouble) failures = 0;
    }
  };

/** The time between two polls: the one configured, ± 10 % so that many processes do not ask in step. */
export const pollInterval = ({ pollIntervalMs, random }: Service): number => pollIntervalMs * (0.9 + random() / 5);

/** Asks once. Resolves with the trouble met, of which the sink was told. */
export const poll = (service: Service, sink: Sink, signal: AbortSignal): Promise<FledgeError | undefined> => {
  const revision = sink.revision();
  const headers: Record<string, string> = revision === undefined ? {} : { 'If-None-Match': `"${revision}"` };
  return ask(service, sink, signal, 'snapshot', headers, SILENCE_MS, async (response) => {
    if (response.status === 304) sink.current(revision);
    else sink.put(await response.json());
  });
};
