import { changedFlags, type Context, type FlagType, type Snapshot } from '@fledge/evaluation';
import { CacheWriter } from './cache.js';
import type { ClientEvents, FledgeClient, Status } from './client.js';
import { asFledgeError, FledgeError } from './error.js';
import type { Answer, EvaluationDetails, FlagKey, FlagValue, Widened } from './flags.js';
import { Holder } from './holder.js';
import { Listeners } from './listeners.js';
import type { CommonOptions, SnapshotCache } from './options.js';
import type { Sink, Source } from './source.js';
import { LONGEST_DELAY, sleep } from './timer.js';

/** How long a source waits for the cache, so that it can ask for what is newer than the cached snapshot. */
const CACHE_WAIT_MS = 1_000;
/** After being ready for this long, trouble is news again. */
const REPORT_AGAIN_MS = 60_000;

const failed = (errorCode: NonNullable<Answer['errorCode']>, errorMessage: string): Answer => ({
  reason: 'ERROR',
  errorCode,
  errorMessage,
  metadata: {},
});

const NOT_READY = failed('PROVIDER_NOT_READY', 'No snapshot was received yet');

const typeOf = (value: unknown): FlagType | undefined => {
  const type = typeof value;
  const known = type === 'boolean' || type === 'string' || type === 'number' || (type === 'object' && value !== null);
  return known ? type : undefined;
};

type Settings = CommonOptions & {
  readonly bootstrap?: Snapshot;
  readonly cache?: SnapshotCache;
};

/** The client over any source: holds what the source brings, evaluates with it and tells those who listen. */
export class EvaluatingClient implements FledgeClient {
  readonly #settings: Settings;
  readonly #holder = new Holder();
  readonly #cacheWriter: CacheWriter | undefined;
  readonly #listeners = new Listeners((cause) => this.#report(asFledgeError(cause, 'listener', 'A listener threw')));
  /** Aborted by `close` and by nothing else: from then on nothing changes. */
  readonly #life = new AbortController();
  /** Settle the promises of `ready` that are still open; empty whenever a snapshot is held. */
  readonly #waiting = new Set<(error?: FledgeError) => void>();
  /** The kinds of trouble already reported. */
  readonly #reported = new Set<string>();
  /** Present from the loss of contact with the service until it is heard again. */
  #trouble: FledgeError | undefined;
  /** The state last told to listeners, and since when. */
  #told: { readonly state: Status['state']; readonly at: number } = { state: 'starting', at: 0 };
  #receivedAt: number | undefined;
  #confirmedAt: number | undefined;

  constructor(source: Source, settings: Settings) {
    this.#settings = settings;
    const { bootstrap, cache } = settings;
    this.#cacheWriter = cache && new CacheWriter(cache, this.#onCacheThrow);
    if (bootstrap) this.#suggest(bootstrap);
    this.#run(source).catch((cause: unknown) => this.#report(asFledgeError(cause, 'network', 'The source failed')));
  }

  get snapshot(): Snapshot | undefined {
    return this.#holder.snapshot;
  }

  get status(): Status {
    return {
      state: this.#state,
      version: this.snapshot?.version,
      revision: this.snapshot?.revision,
      receivedAt: this.#receivedAt,
      confirmedAt: this.#confirmedAt,
      error: this.#trouble,
    };
  }

  ready({ timeoutMs = LONGEST_DELAY }: { readonly timeoutMs?: number } = {}): Promise<void> {
    const ready = new Promise<void>((resolve, reject) => {
      const settle = (error?: FledgeError): void => {
        clearTimeout(timer);
        this.#waiting.delete(settle);
        if (error) reject(error);
        else resolve();
      };
      const onTimeout = (): void => {
        const why = this.#trouble ? `: ${this.#trouble.message}` : '';
        settle(new FledgeError('timeout', `No snapshot within ${timeoutMs} ms${why}`, { cause: this.#trouble }));
      };
      // Unlike all other timers this one keeps the process alive: somebody waits.
      const timer = setTimeout(onTimeout, Math.min(timeoutMs, LONGEST_DELAY));
      this.#waiting.add(settle);
      this.#settle();
    });
    // Who does not look at the promise shall not be ended by it.
    ready.catch(() => undefined);
    return ready;
  }

  boolean(key: string, context: Context, defaultValue: boolean): boolean;
  boolean(key: string, context: Context, defaultValue: unknown): unknown {
    return this.#decide(key, context, 'boolean').value ?? defaultValue;
  }

  string<Key extends FlagKey<string>>(
    key: Key,
    context: Context,
    defaultValue: FlagValue<Key, string>,
  ): FlagValue<Key, string>;
  string(key: string, context: Context, defaultValue: unknown): unknown {
    return this.#decide(key, context, 'string').value ?? defaultValue;
  }

  number<Key extends FlagKey<number>>(
    key: Key,
    context: Context,
    defaultValue: FlagValue<Key, number>,
  ): FlagValue<Key, number>;
  number(key: string, context: Context, defaultValue: unknown): unknown {
    return this.#decide(key, context, 'number').value ?? defaultValue;
  }

  object<Key extends FlagKey<object>, Value extends FlagValue<Key, object>>(
    key: Key,
    context: Context,
    defaultValue: Value,
  ): FlagValue<Key, Value>;
  object(key: string, context: Context, defaultValue: unknown): unknown {
    return this.#decide(key, context, 'object').value ?? defaultValue;
  }

  evaluate<Key extends FlagKey, Value extends FlagValue<Key>>(
    key: Key,
    context: Context,
    defaultValue: Value,
  ): EvaluationDetails<FlagValue<Key, Widened<Value>>>;
  evaluate(key: string, context: Context, defaultValue: unknown): unknown {
    const answer = this.#decide(key, context, typeOf(defaultValue));
    return answer.value === undefined ? { ...answer, value: defaultValue } : answer;
  }

  evaluateAll(context: Context): Record<string, Answer> {
    const all: Record<string, Answer> = {};
    for (const key of Object.keys(this.snapshot?.flags ?? {})) all[key] = this.#answer(key, context);
    return all;
  }

  on<Event extends keyof ClientEvents>(event: Event, listener: (detail: ClientEvents[Event]) => void): () => void {
    return this.#listeners.on(event, listener);
  }

  async flush(): Promise<void> {
    await this.#cacheWriter?.idle();
  }

  close(): Promise<void> {
    this.#life.abort();
    this.#listeners.clear();
    this.#settle();
    return this.flush();
  }

  /** Every evaluation for the application passes here, one by one; `evaluateAll` does not. */
  #decide(key: string, context: Context, expected: FlagType | undefined): Answer {
    return this.#answer(key, context, expected);
  }

  #answer(key: string, context: Context, expected?: FlagType): Answer {
    try {
      const { evaluator } = this.#holder;
      return evaluator ? evaluator.evaluate(key, context, this.#now(), expected) : NOT_READY;
    } catch (cause) {
      return failed('GENERAL', String(cause));
    }
  }

  #now(): number {
    return (this.#settings.now ?? Date.now)();
  }

  get #state(): Status['state'] {
    if (this.#life.signal.aborted) return 'closed';
    if (this.#trouble?.kind === 'refused') return 'refused';
    if (!this.snapshot) return 'starting';
    return this.#holder.real && !this.#trouble ? 'ready' : 'stale';
  }

  async #run(source: Source): Promise<void> {
    const { cache } = this.#settings;
    const { signal } = this.#life;
    if (cache) {
      const load = async (): Promise<void> => {
        const snapshot = await cache.load();
        if (snapshot) this.#suggest(snapshot);
      };
      await Promise.race([load().catch(this.#onCacheThrow), sleep(CACHE_WAIT_MS, signal)]);
    }
    await source(this.#sink, signal);
  }

  readonly #sink: Sink = {
    revision: () => this.snapshot?.revision,
    put: (snapshot) => void this.#hear(() => this.#holder.put(snapshot, true)),
    patch: (change) => this.#hear(() => this.#holder.patch(change)),
    current: (revision) => this.#hear(() => this.#holder.current(revision)),
    lost: (trouble) => void this.#hear(() => trouble),
  };

  /** Takes in what the source has to say: false when it did not fit. */
  #hear(step: () => FledgeError | boolean | undefined): boolean {
    if (this.#life.signal.aborted) return false;
    const before = this.snapshot;
    const outcome = step();
    if (outcome === false) return false;
    this.#trouble = outcome instanceof FledgeError ? outcome : undefined;
    if (this.#trouble) {
      if (this.#told.state === 'ready' && this.#now() - this.#told.at > REPORT_AGAIN_MS) this.#reported.clear();
      this.#report(this.#trouble);
    } else {
      this.#confirmedAt = this.#now();
    }
    this.#follow(before);
    return true;
  }

  /** Takes in what came from elsewhere than the service, unless something better is held. */
  #suggest(snapshot: Snapshot): void {
    if (this.#life.signal.aborted) return;
    const before = this.snapshot;
    try {
      const refusal = this.#holder.put(snapshot, false);
      if (refusal) this.#report(refusal);
    } catch (cause) {
      this.#onCacheThrow(cause);
    }
    this.#follow(before);
  }

  /** Draws the consequences: whoever has to know hears of another snapshot and another state. */
  #follow(before: Snapshot | undefined): void {
    const after = this.snapshot;
    if (after && after !== before) {
      this.#receivedAt = this.#now();
      if (this.#holder.real) this.#cacheWriter?.write(after);
      if (before) {
        this.#listeners.emit('change', { version: after.version, flags: changedFlags(before, after) });
      }
    }
    this.#settle();
    const state = this.#state;
    if (state === this.#told.state) return;
    this.#told = { state, at: this.#now() };
    if (state === 'ready' || state === 'stale') this.#listeners.emit(state, this.status);
  }

  /** Settles the open promises of `ready` if there is something to tell them. */
  #settle(): void {
    const refused = this.#trouble?.kind === 'refused' ? this.#trouble : undefined;
    const error = this.#life.signal.aborted ? new FledgeError('closed', 'The client was closed') : refused;
    if (this.snapshot || error) for (const settle of this.#waiting) settle(this.snapshot ? undefined : error);
  }

  readonly #onCacheThrow = (cause: unknown): void =>
    this.#report(asFledgeError(cause, 'cache', 'The snapshot to begin with, or its cache, failed'));

  /** Tells of trouble, once per kind; whoever throws on hearing of it is not told that. */
  #report(trouble: FledgeError): void {
    if (this.#reported.has(trouble.kind)) return;
    this.#reported.add(trouble.kind);
    const { logger, onError } = this.#settings;
    for (const tell of [() => logger?.warn(`fledge: ${trouble.message}`), () => onError?.(trouble)]) {
      try {
        tell();
      } catch {
        // There is nobody left to tell.
      }
    }
    this.#listeners.emit('error', trouble);
  }
}
