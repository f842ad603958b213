import { changedFlags, type Context, type FlagType, type Snapshot } from '@fledge/evaluation';
import { Announcer } from './announcer.js';
import { cacheWriter } from './cache.js';
import type { ClientEvents, FledgeClient, Status } from './client.js';
import { FledgeError } from './error.js';
import { failed, NOT_READY } from './failed.js';
import type { Answer, EvaluationDetails, FlagKey, FlagValue, Widened } from './flags.js';
import { Holder } from './holder.js';
import { Nobody, type Observe, type Observer, type Tracker } from './observer.js';
import type { CommonOptions, SnapshotCache } from './options.js';
import type { Source } from './source.js';
import { LONGEST_DELAY, sleep } from './timer.js';

/** How long a source waits for the cache, so that it can ask for what is newer than the cached snapshot. */
const CACHE_WAIT_MS = 1_000;
/** After being ready for this long, trouble is news again. */
const REPORT_AGAIN_MS = 60_000;

/** The type a flag must have to stand in for the value: none for null and undefined, one that no flag has for functions. */
function typeOf(value: unknown): FlagType | undefined;
function typeOf(value: unknown): unknown {
  return (value ?? undefined) === undefined ? undefined : typeof value;
}

type Settings = CommonOptions & {
  readonly bootstrap?: Snapshot;
  readonly cache?: SnapshotCache;
  /** Makes what hears of evaluations, `evaluateAll` excepted, and of outcomes. */
  readonly observe?: Observe;
  /** The same, where it is there from the beginning. */
  readonly observer?: Observer;
};

/** The client over any source: holds what the source brings, evaluates with it and tells those who listen. */
export class EvaluatingClient implements FledgeClient {
  readonly #settings: Settings;
  readonly #holder = new Holder();
  readonly #nobody = new Nobody();
  #observer: Observer;
  /** Settles when the observer is there. */
  readonly #observed: Promise<unknown> | undefined;
  readonly #announcer: Announcer;
  readonly #save: ((snapshot?: Snapshot) => Promise<void>) | undefined;
  /** Settles when the source has come to its end, soon after `close`. */
  readonly #running: Promise<void>;
  /** Aborted by `close` and by nothing else: from then on nothing changes. */
  readonly #life = new AbortController();
  /** Settle the promises of `ready` that are still open; empty whenever a snapshot is held. */
  readonly #waiting = new Set<(error?: FledgeError) => void>();
  /** Always what listeners were told last. */
  #status: Status = {
    state: 'starting',
    version: undefined,
    revision: undefined,
    receivedAt: undefined,
    confirmedAt: undefined,
    error: undefined,
  };
  #readySince = 0;

  constructor(source: Source, settings: Settings) {
    this.#settings = settings;
    this.#observer = settings.observer ?? this.#nobody;
    this.#announcer = new Announcer(settings);
    this.#save = settings.cache && cacheWriter(settings.cache, this.#onCacheThrow);
    this.#observed = settings
      .observe?.(this.#announcer, () => this.snapshot, this.#nobody)
      .then(
        (observer) => (this.#observer = observer),
        (cause: unknown) => this.#announcer.report(FledgeError.from(cause, 'report', 'Nothing is reported')),
      );
    this.#running = this.#run(source).catch((cause: unknown) =>
      this.#announcer.report(FledgeError.from(cause, 'protocol', 'The source failed')),
    );
  }

  get snapshot(): Snapshot | undefined {
    return this.#holder.snapshot;
  }

  get status(): Status {
    return this.#status;
  }

  ready(options?: { readonly timeoutMs?: number }): Promise<void> {
    const timeoutMs = options?.timeoutMs ?? LONGEST_DELAY;
    const ready = new Promise<void>((resolve, reject) => {
      const settle = (error?: FledgeError): void => {
        clearTimeout(timer);
        this.#waiting.delete(settle);
        if (error) reject(error);
        else resolve();
      };
      // Unlike all other timers this one keeps the process alive: somebody waits.
      const timer = setTimeout(
        () => {
          const { error } = this.#status;
          settle(new FledgeError('timeout', `No snapshot within ${timeoutMs} ms. ${error?.message ?? ''}`, error));
        },
        Math.min(timeoutMs, LONGEST_DELAY),
      );
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
    return this.#holder.evaluator?.evaluateAll(context, this.#now) ?? {};
  }

  run<Handlers extends Readonly<Record<string, () => unknown>>>(
    key: string,
    context: Context,
    handlers: Handlers,
  ): ReturnType<Handlers[keyof Handlers]>;
  run(key: string, context: Context, handlers: Readonly<Record<string, () => unknown>>): unknown {
    const answer = this.#decide(key, context, undefined);
    const { variant } = answer;
    const code = variant !== undefined && Object.hasOwn(handlers, variant) && handlers[variant];
    return code
      ? this.#observer.run(key, context, answer, code)
      : (handlers['off'] ?? Object.values(handlers).at(-1))?.();
  }

  track(key: string, context: Context): Tracker {
    return this.#observer.track(key, context, this.#answer(key, context, undefined));
  }

  on<Event extends keyof ClientEvents>(event: Event, listener: (detail: ClientEvents[Event]) => void): () => void {
    return this.#announcer.on(event, listener);
  }

  async flush(): Promise<void> {
    await this.#save?.();
    await this.#observed;
    await this.#observer.flush();
  }

  async close(): Promise<void> {
    this.#life.abort();
    this.#announcer.clear();
    this.#status = { ...this.#status, state: 'closed', error: new FledgeError('closed', 'The client was closed') };
    this.#settle();
    await this.#running;
    await this.#save?.();
    await this.#observed;
    await this.#observer.close();
  }

  /** Every evaluation for the application passes here, one by one; `evaluateAll` does not. */
  #decide(key: string, context: Context, expected: FlagType | undefined): Answer {
    const answer = this.#answer(key, context, expected);
    this.#observer.evaluated(key, context, answer);
    return answer;
  }

  #answer(key: string, context: Context, expected: FlagType | undefined): Answer {
    try {
      const { evaluator } = this.#holder;
      return evaluator ? evaluator.evaluate(key, context, this.#now, expected) : NOT_READY;
    } catch {
      return failed('GENERAL', 'The context could not be read');
    }
  }

  /** The time by the clock given, or by the system's if that one fails. */
  readonly #now = (): number => {
    try {
      return (this.#settings.now ?? Date.now)();
    } catch {
      return Date.now();
    }
  };

  /** Gives the cache a moment, so that the source can ask for what is newer, and then the source its way. */
  async #run(source: Source): Promise<void> {
    const { bootstrap, cache } = this.#settings;
    const { signal } = this.#life;
    this.#suggest(bootstrap);
    if (cache) {
      const load = async (): Promise<void> => this.#suggest(await cache.load());
      await Promise.race([load().catch(this.#onCacheThrow), sleep(CACHE_WAIT_MS, signal)]);
    }
    await source(
      {
        revision: () => this.snapshot?.revision,
        put: (snapshot) => void this.#hear(() => this.#holder.put(snapshot, true)),
        patch: (change) => this.#hear(() => this.#holder.patch(change)),
        current: (revision) => this.#hear(() => this.#holder.current(revision)),
        lost: (trouble) => void this.#hear(() => trouble),
      },
      signal,
    );
  }

  /** Takes in what came from elsewhere than the service, unless something better is held. */
  #suggest(snapshot: unknown): void {
    if (snapshot) this.#hear(() => this.#holder.put(snapshot, false) ?? this.#status.error);
  }

  /** Takes in what there is to say, trouble among it: false when it did not fit. */
  #hear(step: () => FledgeError | boolean | undefined): boolean {
    if (this.#life.signal.aborted) return false;
    const before = this.snapshot;
    const outcome = step();
    if (outcome === false) return false;
    this.#follow(before, outcome instanceof FledgeError ? outcome : undefined);
    return true;
  }

  /** Draws the consequences: whoever has to know hears of another snapshot and another state. */
  #follow(before: Snapshot | undefined, error: FledgeError | undefined): void {
    const { snapshot: after } = this;
    const { real } = this.#holder;
    const now = this.#now();
    const told = this.#status;
    let state: Status['state'] = 'starting';
    if (error?.kind === 'refused') state = error.kind;
    else if (after) state = real && !error ? 'ready' : 'stale';
    this.#status = {
      state,
      version: after?.version,
      revision: after?.revision,
      receivedAt: after === before ? told.receivedAt : now,
      confirmedAt: error || !real ? told.confirmedAt : now,
      error,
    };
    if (error) {
      if (told.state === 'ready' && Math.abs(now - this.#readySince) > REPORT_AGAIN_MS) this.#announcer.forget();
      this.#announcer.report(error);
    }
    if (after && after !== before) {
      if (real) void this.#save?.(after);
      if (before && this.#announcer.hears('change'))
        this.#announcer.emit('change', { version: after.version, flags: changedFlags(before, after) });
    }
    this.#settle();
    if (state === told.state) return;
    if (state === 'ready') this.#readySince = now;
    if (state === 'ready' || (state === 'stale' && told.state !== 'starting'))
      this.#announcer.emit(state, this.#status);
  }

  /** Settles the open promises of `ready` as soon as there is something to tell them. */
  #settle(): void {
    const { state, error } = this.#status;
    if (state !== 'starting') for (const settle of this.#waiting) settle(this.snapshot ? undefined : error);
  }

  readonly #onCacheThrow = (cause: unknown): void =>
    this.#announcer.report(FledgeError.from(cause, 'cache', 'The cache failed'));
}
