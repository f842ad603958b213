import type { FledgeClient } from './client.js';
import { EvaluatingClient } from './evaluating-client.js';
import type { Observe } from './observer.js';
import { checkOptions, type ClientOptions } from './options.js';
import { pollingSource } from './polling-source.js';
import { staticSource } from './static-source.js';
import { streamSource } from './stream-source.js';

/**
 * A client of a Fledge service, or of one fixed snapshot. It begins to fetch at once and goes on until `close`.
 * Throws a TypeError that lists every problem of the options; after that nothing throws. Two clients share nothing.
 */
export const createClient = (options: ClientOptions): FledgeClient => {
  checkOptions(options);
  if (options.snapshot) return new EvaluatingClient(staticSource(options.snapshot), options);
  const { mode, pollIntervalMs = 30_000, now = Date.now, random = Math.random, fetch = globalThis.fetch } = options;
  const { exposures = true, outcomes = true } = options.report ?? {};
  const service = {
    url: options.url.replace(/\/+$/, ''),
    sdkKey: options.sdkKey.trim(),
    pollIntervalMs,
    fetch,
    now,
    random,
  };
  const observe: Observe = async (...host) =>
    (await import('./reporter.js')).createReporter(service, options.report, ...host);
  const source = (mode === 'poll' ? pollingSource : streamSource)(service);
  return new EvaluatingClient(source, exposures || outcomes ? { ...options, observe } : options);
};
