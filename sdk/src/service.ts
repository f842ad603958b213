import { FledgeError } from './error.js';
import type { Fetch } from './options.js';
import type { Sink } from './source.js';
import { guard } from './timer.js';
import { VERSION } from './version.js';

/** How to reach the service, and the clock and chance that decide when. */
export type Service = {
  readonly url: string;
  readonly sdkKey: string;
  readonly pollIntervalMs: number;
  readonly fetch: Fetch;
  readonly now: () => number;
  readonly random: () => number;
};

const REFUSED_RETRY_MS = 300_000;
const LONGEST_RETRY_AFTER_MS = 3_600_000;
const FIRST_BACKOFF_MS = 500;
const LONGEST_BACKOFF_MS = 30_000;

/** Silence after which a connection counts as dead: the service sends something every 20 s. */
export const SILENCE_MS = 50_000;

/**
 * Asks for `/sdk/v1/<path>` and lets `read` have the answer, 200 or 304; anything else, and silence for `timeoutMs`, is
 * trouble. Resolves with the trouble, of which the sink was told.
 */
export const ask = async (
  service: Service,
  sink: Sink,
  signal: AbortSignal,
  path: 'snapshot' | 'stream',
  headers: Record<string, string>,
  timeoutMs: number,
  read: (response: Response, signal: AbortSignal, alive: (ms: number) => void) => Promise<void>,
): Promise<FledgeError | undefined> => {
  // A bare function: some platforms refuse a fetch that is called as a method.
  const { fetch } = service;
  const url = `${service.url}/sdk/v1/${path}`;
  try {
    await guard(signal, async (inner, alive) => {
      alive(timeoutMs);
      const response = await fetch(url, {
        headers: { ...headers, ...headersOf(service) },
        signal: inner,
      });
      alive(timeoutMs);
      if (response.status !== 200 && response.status !== 304) throw unexpected(service, url, response);
      await read(response, inner, alive);
    });
    return undefined;
  } catch (cause) {
    const kind = cause instanceof SyntaxError ? 'protocol' : 'network';
    const trouble = FledgeError.from(cause, kind, `GET ${url} failed`);
    sink.lost(trouble);
    return trouble;
  }
};

/** What every request says: who asks, and with what. */
export const headersOf = ({ sdkKey }: Service): Record<string, string> => ({
  Authorization: `Bearer ${sdkKey}`,
  'Fledge-Format': '1',
  'User-Agent': `fledge-sdk-js/${VERSION}`,
});

/** What an answer means that is neither of those hoped for. */
export const unexpected = ({ now, random }: Service, url: string, { status, headers }: Response): FledgeError => {
  const refused = status === 401 || status === 403;
  // Seconds or a date (RFC 9110, 10.2.3), of the service's clock: ours may have been set.
  const header = headers.get('retry-after') ?? '0';
  const ms = Number(header) * 1000 || Date.parse(header) - (Date.parse(headers.get('date') ?? '') || now());
  const retryAfter = Math.min(Math.max(ms || 0, 0), LONGEST_RETRY_AFTER_MS);
  return new FledgeError(
    refused ? 'refused' : 'status',
    `${url} was answered with ${status}`,
    undefined,
    refused ? REFUSED_RETRY_MS : retryAfter * (1 + random() / 10),
  );
};

/** The delay before the next try after so many failures: full jitter below 0.5 s, 1 s, 2 s … 30 s, but no less than was asked for. */
export const backoff = ({ random }: Service, failures: number, trouble?: FledgeError): number =>
  Math.max(random() * Math.min(FIRST_BACKOFF_MS * 2 ** failures, LONGEST_BACKOFF_MS), trouble?.retryAfterMs ?? 0);
