import { FledgeError } from './error.js';
import type { Fetch } from './options.js';
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

/** Asks for `/sdk/v1/<path>`. Resolves with 200 or 304; anything else rejects with what the status means. */
export const ask = async (
  { url, sdkKey, fetch, now, random }: Service,
  path: 'snapshot' | 'stream',
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<Response> => {
  const response = await fetch(`${url}/sdk/v1/${path}`, {
    headers: {
      ...headers,
      Authorization: `Bearer ${sdkKey}`,
      'Fledge-Format': '1',
      'User-Agent': `fledge-sdk-js/${VERSION}`,
    },
    signal,
  });
  const { status } = response;
  if (status === 200 || status === 304) return response;
  if (status === 401 || status === 403) {
    throw new FledgeError('refused', `The service refused the SDK key (${status})`, {}, REFUSED_RETRY_MS);
  }
  throw new FledgeError(
    'status',
    `GET /sdk/v1/${path} was answered with ${status}${status === 404 ? ': is the url right?' : ''}`,
    {},
    retryAfter(response.headers.get('retry-after'), now) * (1 + random() / 10),
  );
};

/** Seconds or an HTTP date (RFC 9110, 10.2.3) as milliseconds from now; 0 when absent or unreadable. */
const retryAfter = (header: string | null, now: () => number): number => {
  const ms = header === null ? 0 : Number(header) * 1000 || Date.parse(header) - now();
  return Math.min(Math.max(ms || 0, 0), LONGEST_RETRY_AFTER_MS);
};

/** The delay before the next try after so many failures: full jitter below 0.5 s, 1 s, 2 s … 30 s, but no less than was asked for. */
export const backoff = ({ random }: Service, failures: number, trouble?: FledgeError): number =>
  Math.max(random() * Math.min(FIRST_BACKOFF_MS * 2 ** failures, LONGEST_BACKOFF_MS), trouble?.retryAfterMs ?? 0);
