import type { Context, Snapshot } from '@fledge/evaluation';
import type { FledgeError } from './error.js';
import type { Answer, EvaluationDetails, FlagKey, FlagValue, Widened } from './flags.js';
import type { Tracker } from './observer.js';

/** What a client is doing and how much its answers can be trusted. */
export type Status = {
  /**
   * - `starting`: no snapshot is held, every evaluation gives the caller's default;
   * - `ready`: the snapshot in force is the newest as far as anyone can know;
   * - `stale`: the snapshot in force may be old: it came from bootstrap or cache, or contact with the service is lost;
   * - `refused`: the service refuses the SDK key; the last snapshot, if there is one, stays in force;
   * - `closed`: nothing will change any more; the last snapshot stays in force.
   */
  readonly state: 'starting' | 'ready' | 'stale' | 'refused' | 'closed';
  /** Of the snapshot in force. */
  readonly version: number | undefined;
  /** Of the snapshot in force. */
  readonly revision: string | undefined;
  /** When the snapshot in force was received, in epoch milliseconds. */
  readonly receivedAt: number | undefined;
  /** When the service last said that the snapshot in force is the newest, in epoch milliseconds. */
  readonly confirmedAt: number | undefined;
  /** The trouble that keeps the client from being ready. */
  readonly error: FledgeError | undefined;
};

/** What can be listened to. */
export type ClientEvents = {
  /** Another snapshot is in force; `flags` are the keys of all that were added, removed or changed. Not sent for the first one. */
  readonly change: { readonly version: number; readonly flags: readonly string[] };
  /** The state became `ready`. */
  readonly ready: Status;
  /** The state became `stale` after it was `ready` or `refused`; a start from bootstrap or cache is no news. */
  readonly stale: Status;
  /** Background trouble, once per kind. */
  readonly error: FledgeError;
};

/** Evaluates flags in this process. Nothing here throws by itself, and evaluation never waits. */
export interface FledgeClient {
  /**
   * Resolves once a snapshot is held, at once when there is one. Rejects with a FledgeError of kind `timeout`, `refused`
   * or `closed`; after the first two the client goes on trying. Without `timeoutMs` it waits for as long as it takes.
   */
  ready(options?: { readonly timeoutMs?: number }): Promise<void>;
  /** The flag's value for this context, or the default when there is none of this type. */
  boolean(key: FlagKey<boolean>, context: Context, defaultValue: boolean): boolean;
  /** The flag's value for this context, or the default when there is none of this type. */
  string<Key extends FlagKey<string>>(
    key: Key,
    context: Context,
    defaultValue: FlagValue<Key, string>,
  ): FlagValue<Key, string>;
  /** The flag's value for this context, or the default when there is none of this type. */
  number<Key extends FlagKey<number>>(
    key: Key,
    context: Context,
    defaultValue: FlagValue<Key, number>,
  ): FlagValue<Key, number>;
  /** The flag's JSON object or array for this context, or the default. Its fields are what the flag holds: nothing checks them. */
  object<Key extends FlagKey<object>, Value extends FlagValue<Key, object>>(
    key: Key,
    context: Context,
    defaultValue: Value,
  ): FlagValue<Key, Value>;
  /** The value with variant, reason and metadata. A default of null expects no type. */
  evaluate<Key extends FlagKey, Value extends FlagValue<Key>>(
    key: Key,
    context: Context,
    defaultValue: Value,
  ): EvaluationDetails<FlagValue<Key, Widened<Value>>>;
  /** Every flag of the snapshot in force, without defaults: no `value` where the caller's default would be meant. The record has no prototype. */
  evaluateAll(context: Context): Record<string, Answer>;
  /**
   * Runs the code of the variant that the flag serves and answers what that answers, a promise or not; what it throws is
   * thrown. While a rollout watches the flag it is measured: a throw or rejection is a failure, and the time is taken.
   * Where no variant is served, or one without code, `off` runs if there is one, else the last, unmeasured.
   */
  run<Handlers extends Readonly<Record<string, () => unknown>>>(
    key: FlagKey,
    context: Context,
    handlers: Handlers,
  ): ReturnType<Handlers[keyof Handlers]>;
  /** For code that `run` does not fit: takes the unit's arm now, to be told how it went later. Counts no exposure of the variant. */
  track(key: FlagKey, context: Context): Tracker;
  /** The snapshot in force. */
  readonly snapshot: Snapshot | undefined;
  readonly status: Status;
  /** Calls back until the function returned is called or the client is closed. */
  on<Event extends keyof ClientEvents>(event: Event, listener: (detail: ClientEvents[Event]) => void): () => void;
  /** Resolves when everything held back is written or sent, or could not be: the cache and the reports. */
  flush(): Promise<void>;
  /** Stops for good; resolves when nothing is left running. Evaluation goes on with the last snapshot. */
  close(): Promise<void>;
}
