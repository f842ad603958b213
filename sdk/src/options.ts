import type { Snapshot } from '@fledge/evaluation';
import type { FledgeError } from './error.js';
import { field, isRecord } from './json.js';
import { isReadable, isSnapshot } from './snapshot.js';
import { LONGEST_DELAY } from './timer.js';

/** As much of `fetch` as the SDK uses; the global one fits, and so does a function that adds a proxy or a header. */
export type Fetch = (
  url: string,
  init: {
    /** Absent: GET. */
    readonly method?: 'POST';
    readonly headers: Record<string, string>;
    readonly body?: string;
    readonly signal: AbortSignal;
  },
) => Promise<Response>;

/** Keeps the last known good snapshot across restarts. What it throws is reported and does no harm. */
export type SnapshotCache = {
  /** The snapshot last saved, or nothing. */
  readonly load: () => MaybePromise<Snapshot | null | undefined>;
  /** Keeps this snapshot instead of the one before; never called again before it is done. */
  readonly save: (snapshot: Snapshot) => MaybePromise<void>;
};
type MaybePromise<T> = T | PromiseLike<T>;

/** Where background trouble is written; `console` and every common logger fit. */
export type Logger = { readonly warn: (message: string) => void };

/** What every client takes. */
export type CommonOptions = {
  /** The clock that rules about time read, in epoch milliseconds; default `Date.now`. */
  readonly now?: () => number;
  /** Default: silent. */
  readonly logger?: Logger;
  /** Called with background trouble, once per kind. */
  readonly onError?: (error: FledgeError) => void;
};

/** What is told to the service: counts, never contexts or ids of units. */
export type ReportOptions = {
  /** How often each flag served each variant; default true. */
  readonly exposures?: boolean;
  /** What rollouts watch: `run`, `track` and who was exposed, in sums; default true. */
  readonly outcomes?: boolean;
  /** The time between two reports, ± 10 %; default 10,000. */
  readonly intervalMs?: number;
};

/** A client of a Fledge service. */
export type ServiceOptions = CommonOptions & {
  /** Where the service is, `https://flags.example.com`. */
  readonly url: string;
  /** The SDK key of the environment: a secret of servers and edge workers. */
  readonly sdkKey: string;
  readonly snapshot?: undefined;
  /** How changes arrive; default `stream`, which polls for as long as no stream can be had. */
  readonly mode?: 'stream' | 'poll';
  /** The time between two polls, ± 10 %; default 30,000. */
  readonly pollIntervalMs?: number;
  /** A snapshot to begin with, replaced by the first real one. */
  readonly bootstrap?: Snapshot;
  /** Last known good across restarts. */
  readonly cache?: SnapshotCache;
  /** Default: everything, every ten seconds. */
  readonly report?: ReportOptions;
  /** Default: the global one. */
  readonly fetch?: Fetch;
  /** Chance for jitter, from 0 up to 1; default `Math.random`. */
  readonly random?: () => number;
};

/** A client of one fixed snapshot: no network at all. */
export type FixedOptions = CommonOptions & {
  readonly snapshot: Snapshot;
  readonly url?: undefined;
  readonly sdkKey?: undefined;
};

/** What `createClient` takes: a service and its key, or a fixed snapshot. */
export type ClientOptions = ServiceOptions | FixedOptions;

type Check = (value: unknown) => boolean;

const isFunction: Check = (value) => typeof value === 'function';

const hasFunctions =
  (...names: string[]): Check =>
  (value) =>
    names.every((name) => isFunction(field(value, name)));

const isDelay: Check = (value) => typeof value === 'number' && value > 0 && value <= LONGEST_DELAY;

const isHttpUrl: Check = (value) => {
  try {
    const { protocol, username, search, hash } = new URL(String(value));
    return /^https?:$/.test(protocol) && username + search + hash === '';
  } catch {
    return false;
  }
};

/** Throws one TypeError that lists every problem of the options; never repeats a secret. */
export const checkOptions = (options: ClientOptions): void => {
  const given = (name: string): unknown => field(options, name);
  const fixed = given('snapshot') !== undefined;
  const checks: readonly (readonly [name: string, expected: string, fits: Check, required?: boolean])[] = [
    ['snapshot', 'a snapshot of format 1', (value) => isSnapshot(value) && isReadable(value)],
    ['snapshot', 'a fixed one or url and sdkKey, not both', () => (given('url') ?? given('sdkKey')) === undefined],
    ['url', 'an http or https URL without user, query and hash', isHttpUrl, !fixed],
    ['sdkKey', 'a key', (value) => typeof value === 'string' && /^[!-~]+$/.test(value.trim()), !fixed],
    ['mode', 'stream or poll', (value) => value === 'stream' || value === 'poll'],
    ['pollIntervalMs', 'milliseconds', isDelay],
    ['report', 'options', (value) => isRecord(value) && isDelay(value['intervalMs'] ?? 1)],
    ['bootstrap', 'a snapshot', isSnapshot],
    ['cache', 'load and save', hasFunctions('load', 'save')],
    ['logger', 'warn', hasFunctions('warn')],
    ...['fetch', 'now', 'random', 'onError'].map((name) => [name, 'a function', isFunction] as const),
  ];
  const problems = checks
    .filter(([name, , fits, required]) => (required || given(name) !== undefined) && !fits(given(name)))
    .map(([name, expected]) => `${name}: expected ${expected}, got ${shown(name, given(name))}`);
  if (problems.length > 0) throw new TypeError(`createClient: ${problems.join('; ')}`);
};

const shown = (name: string, value: unknown): string =>
  name === 'sdkKey' || isRecord(value) || String(value).includes('@') ? `a ${typeof value}` : String(value);
