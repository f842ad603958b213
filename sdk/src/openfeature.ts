import {
  ErrorCode,
  OpenFeatureEventEmitter,
  ServerProviderEvents,
  type EvaluationContext,
  type EvaluationContextValue,
  type FlagMetadata,
  type JsonValue,
  type Provider,
  type ResolutionDetails,
  type TrackingEventDetails,
} from '@openfeature/server-sdk';
import type { Context, EvaluationMetadata, Flag, Snapshot } from '@fledge/evaluation';
import type { FledgeClient } from './client.js';

type Impairment = ServerProviderEvents.Error | ServerProviderEvents.Stale;

/** How a provider starts. */
export type FledgeProviderOptions = {
  /** How long `initialize` waits for a snapshot, in milliseconds; default 10,000. */
  readonly readyTimeoutMs?: number;
};

/**
 * An OpenFeature provider for servers: `OpenFeature.setProviderAndWait(new FledgeProvider(createClient({ … })))`. It is
 * ready when the client holds a snapshot, STALE while contact with the service is lost and in ERROR while the key is
 * refused, and answers from the last snapshot in all of them. Closing it closes the client.
 */
export class FledgeProvider implements Provider {
  readonly metadata = { name: 'fledge' };
  readonly runsOn = 'server';
  readonly events = new OpenFeatureEventEmitter();
  readonly #client: FledgeClient;
  readonly #readyTimeoutMs: number;
  /** The ERROR or STALE told last, until the READY that ends it. The first READY is OpenFeature's own: none of ours before. */
  #impairment: Impairment | undefined;
  #offs: readonly (() => void)[] = [];
  /** The flags that rollouts watch, by metric, in the snapshot they were looked for in. */
  #watched: { readonly snapshot: Snapshot | undefined; readonly flags: Map<string, readonly string[]> } = {
    snapshot: undefined,
    flags: new Map(),
  };

  constructor(client: FledgeClient, { readyTimeoutMs = 10_000 }: FledgeProviderOptions = {}) {
    this.#client = client;
    this.#readyTimeoutMs = readyTimeoutMs;
  }

  /** Resolves once the client holds a snapshot; rejects when its key is refused or the time is over, and may recover from both. */
  async initialize(): Promise<void> {
    try {
      await this.#client.ready({ timeoutMs: this.#readyTimeoutMs });
    } catch (error) {
      this.#impairment = ServerProviderEvents.Error;
      throw error;
    } finally {
      this.#listen();
    }
    const { state, error } = this.#client.status;
    const event = state === 'refused' ? ServerProviderEvents.Error : ServerProviderEvents.Stale;
    // Held from a cache or bootstrap while the service cannot be had: OpenFeature says READY first, so this waits for its turn.
    if (error) setTimeout(() => this.#impair(event, error.message));
  }

  async onClose(): Promise<void> {
    for (const off of this.#offs) off();
    await this.#client.close();
  }

  resolveBooleanEvaluation(
    key: string,
    defaultValue: boolean,
    context: EvaluationContext,
  ): Promise<ResolutionDetails<boolean>> {
    return this.#resolve(key, defaultValue, defaultValue, context);
  }

  resolveStringEvaluation(
    key: string,
    defaultValue: string,
    context: EvaluationContext,
  ): Promise<ResolutionDetails<string>> {
    return this.#resolve(key, defaultValue, defaultValue, context);
  }

  resolveNumberEvaluation(
    key: string,
    defaultValue: number,
    context: EvaluationContext,
  ): Promise<ResolutionDetails<number>> {
    return this.#resolve(key, defaultValue, defaultValue, context);
  }

  resolveObjectEvaluation<T extends JsonValue>(
    key: string,
    defaultValue: T,
    context: EvaluationContext,
  ): Promise<ResolutionDetails<T>> {
    // A default of any type may stand for an object, so one that certainly is an object says which type is asked for.
    return this.#resolve(key, defaultValue, {}, context);
  }

  /**
   * An observation of the metric that the event is named after, for every flag that a rollout watches by that metric, or
   * for the one that `flag` of the details names: a yes or no if the details have `failed`, else `value` in
   * milliseconds, else that it went well.
   */
  track(metric: string, context: EvaluationContext, details: TrackingEventDetails): void {
    const { flag, failed, value } = details ?? {};
    const keys = typeof flag === 'string' ? [flag] : this.#flagsWatchedBy(metric);
    for (const key of keys) {
      const tracker = this.#client.track(key, toContext(context));
      if (typeof failed !== 'boolean' && typeof value === 'number') tracker.value(metric, value);
      else tracker.count(metric, failed === true);
    }
  }

  #flagsWatchedBy(metric: string): readonly string[] {
    const { snapshot } = this.#client;
    if (snapshot !== this.#watched.snapshot) this.#watched = { snapshot, flags: new Map() };
    const { flags } = this.#watched;
    let keys = flags.get(metric);
    if (!keys) {
      keys = Object.values(snapshot?.flags ?? {})
        .filter((flag) => isWatchedBy(flag, metric))
        .map(({ key }) => key);
      // Events have names without end; metrics do not.
      if (keys.length > 0 || flags.size < 1_000) flags.set(metric, keys);
    }
    return keys;
  }

  #resolve<T>(
    key: string,
    defaultValue: T,
    example: JsonValue,
    context: EvaluationContext,
  ): Promise<ResolutionDetails<T>>;
  async #resolve(
    key: string,
    defaultValue: unknown,
    example: JsonValue,
    context: EvaluationContext,
  ): Promise<ResolutionDetails<unknown>> {
    const evaluation = this.#client.evaluate(key, toContext(context), example);
    const { value, variant, reason, errorCode, errorMessage } = evaluation;
    return {
      value: variant === undefined ? defaultValue : value,
      ...(variant !== undefined && { variant }),
      reason,
      ...(errorCode && { errorCode: ErrorCode[errorCode] }),
      ...(errorMessage !== undefined && { errorMessage }),
      flagMetadata: toFlagMetadata(evaluation.metadata),
    };
  }

  /** Passes on what the client tells. */
  #listen(): void {
    const client = this.#client;
    this.#offs = [
      client.on('change', ({ flags }) =>
        this.events.emit(ServerProviderEvents.ConfigurationChanged, { flagsChanged: [...flags] }),
      ),
      client.on('stale', () => this.#impair(ServerProviderEvents.Stale, 'Contact with the Fledge service is lost')),
      client.on('error', ({ kind, message }) => {
        if (kind === 'refused') this.#impair(ServerProviderEvents.Error, message);
        // A start from bootstrap or cache whose first contact failed: the client was never ready, so it does not say `stale`.
        else if (client.status.state === 'stale') this.#impair(ServerProviderEvents.Stale, message);
      }),
      client.on('ready', () => {
        if (this.#impairment) this.events.emit(ServerProviderEvents.Ready);
        this.#impairment = undefined;
      }),
    ];
  }

  #impair(event: Impairment, message: string): void {
    if (event === this.#impairment || ['ready', 'closed'].includes(this.#client.status.state)) return;
    this.#impairment = event;
    const code = event === ServerProviderEvents.Error ? { errorCode: ErrorCode.GENERAL } : {};
    this.events.emit(event, { message, ...code });
  }
}

const isWatchedBy = ({ rules, measure }: Flag, metric: string): boolean =>
  [...rules.map((rule) => rule.measure), measure].some((mark) => mark && Object.hasOwn(mark.metrics, metric));

/** OpenFeature knows dates, JSON does not: conditions read them as RFC 3339 text. */
const toJson = (value: EvaluationContextValue): JsonValue => {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (Array.isArray(value)) return value.map(toJson);
  return typeof value === 'object' && value !== null ? toObject(value) : value;
};

const toObject = (value: Readonly<Record<string, EvaluationContextValue>>): Record<string, JsonValue> =>
  Object.fromEntries(Object.entries(value).map(([name, field]) => [name, toJson(field)]));

const toContext = ({ targetingKey, ...attributes }: EvaluationContext): Context => ({
  ...toObject(attributes),
  ...(targetingKey !== undefined && { targetingKey }),
});

const toFlagMetadata = (metadata: EvaluationMetadata): FlagMetadata => {
  const known: FlagMetadata = {};
  for (const [name, value] of Object.entries(metadata)) if (value !== undefined) known[name] = value;
  return known;
};
