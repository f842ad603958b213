import type { Condition, Context, Flag, FlagType, JsonValue, Snapshot } from '@fledge/evaluation';
import type { FledgeClient } from './client.js';
import { EvaluatingClient } from './evaluating-client.js';
import type { FlagKey, FlagValue } from './flags.js';
import { measured } from './measured.js';
import type { Observer, Tracker } from './observer.js';
import type { CommonOptions } from './options.js';

/** What flags are to be, by key: any values but null, or those of the flags the application declared. */
export type TestFlags = { readonly [Key in FlagKey]?: FlagValue<Key> };

/** One evaluation the code under test asked for. */
export type Asked = {
  readonly key: string;
  readonly context: Context;
  /** What was answered; absent when the caller got its default. */
  readonly value?: JsonValue;
};

/** Something the code under test said of how a flag's code went, by `run` or a tracker. */
export type Told = {
  readonly key: string;
  readonly context: Context;
  /** What the flag served when the code began. */
  readonly variant: string | undefined;
  /** `errors` and `latency` for `ok`, `fail` and `run`; else the name given. */
  readonly metric: string;
  readonly failed?: boolean;
  readonly ms?: number;
};

/** A client whose flags a test sets. It evaluates like every other client and needs no service. */
export interface TestClient extends FledgeClient {
  /** Sets flags for everyone, beside those already set; listeners to `change` hear of it. */
  set(flags: TestFlags): void;
  /** Sets flags for contexts that have all these attributes (text, numbers, booleans), whatever `set` says; later calls of this win over earlier ones. */
  setFor(attributes: Context, flags: TestFlags): void;
  /** Every evaluation asked for one by one since the start or the last `forget`, in order. */
  readonly asked: readonly Asked[];
  /** Every outcome told since the start or the last `forget`, in order, whether or not a rollout would watch it. */
  readonly told: readonly Told[];
  /** Empties `asked` and `told`. */
  forget(): void;
}

type Override = { readonly conditions: readonly Condition[]; readonly value: JsonValue };

const conditionsOf = (attributes: Context): Condition[] =>
  Object.entries(attributes).map(([attribute, value]) => {
    if (!['string', 'number', 'boolean'].includes(typeof value)) {
      throw new TypeError(`setFor: ${attribute}: expected text, a number or a boolean, got ${JSON.stringify(value)}`);
    }
    return { attribute, operator: 'in', values: [value ?? null] };
  });

const typeOf = (key: string, value: unknown): FlagType => {
  const type = typeof value;
  if (type === 'boolean' || type === 'string' || type === 'number' || (type === 'object' && value !== null))
    return type;
  throw new TypeError(`${key}: expected a value of a flag, got ${String(value)}`);
};

const valuesOf = (flags: TestFlags): [key: string, value: JsonValue][] =>
  Object.entries(flags).map(([key, value = null]) => {
    typeOf(key, value);
    return [key, value];
  });

/** What the variant of a value is most likely called, so that `run` finds its code. */
const variantOf = (value: JsonValue): string | undefined => {
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  return typeof value === 'string' && value !== '' ? value : undefined;
};

/** The flag that serves `value` to everyone except those whom the overrides single out, the last one first. */
const flagOf = (key: string, value: JsonValue | undefined, overrides: readonly Override[]): Flag => {
  const variants: Record<string, JsonValue> = {};
  const serve = (served: JsonValue, name: string): { variant: string } => {
    const variant = variantOf(served) ?? name;
    variants[variant] = served;
    return { variant };
  };
  return {
    key,
    type: typeOf(key, value ?? overrides[0]?.value),
    enabled: true,
    variants,
    offVariant: null,
    prerequisites: [],
    rules: overrides
      .map(({ conditions, value: served }, i) => ({ id: `for-${i}`, conditions, serve: serve(served, `for-${i}`) }))
      .toReversed(),
    fallthrough: value === undefined ? null : serve(value, 'value'),
  };
};

/** Writes down what it hears. */
const recorder = (asked: Asked[], told: Told[]): Observer => {
  const track: Observer['track'] = (key, context, { variant }): Tracker => {
    let isOpen = true;
    const tell = (metric: string, outcome: Pick<Told, 'failed' | 'ms'>): void =>
      void told.push({ key, context, variant, metric, ...outcome });
    const end = (failed: boolean, ms: number | undefined): void => {
      if (!isOpen) return;
      isOpen = false;
      tell('errors', { failed });
      if (ms !== undefined) tell('latency', { ms });
    };
    return {
      ok: (ms) => end(false, ms),
      fail: (ms) => end(true, ms),
      count: (metric, failed) => tell(metric, { failed }),
      value: (metric, ms) => tell(metric, { ms }),
    };
  };
  return {
    evaluated: (key, context, { value }) =>
      void asked.push(value === undefined ? { key, context } : { key, context, value }),
    track,
    run: (key, context, answer, code) => measured(track(key, context, answer), code),
    flush: async () => undefined,
    close: async () => undefined,
  };
};

/** A client for tests: `createTestClient({ 'new-checkout': true })`. Throws a TypeError on values no flag can have. */
export const createTestClient = (flags?: TestFlags, options: CommonOptions = {}): TestClient => {
  const values = new Map<string, JsonValue>();
  const overrides = new Map<string, Override[]>();
  const asked: Asked[] = [];
  const told: Told[] = [];
  let version = 0;
  let publish: (snapshot: Snapshot) => void = () => undefined;

  const update = (): void => {
    const keys = [...new Set([...values.keys(), ...overrides.keys()])];
    publish({
      project: 'test',
      environment: 'test',
      version: ++version,
      flags: Object.fromEntries(keys.map((key) => [key, flagOf(key, values.get(key), overrides.get(key) ?? [])])),
      cohorts: {},
    });
  };

  const control = {
    asked,
    told,
    forget: () => {
      asked.length = told.length = 0;
    },
    set: (given: TestFlags) => {
      for (const [key, value] of valuesOf(given)) values.set(key, value);
      update();
    },
    setFor: (attributes: Context, given: TestFlags) => {
      const conditions = conditionsOf(attributes);
      for (const [key, value] of valuesOf(given)) {
        overrides.set(key, [...(overrides.get(key) ?? []), { conditions, value }]);
      }
      update();
    },
  };

  const client = new EvaluatingClient(
    (sink) => {
      publish = sink.put;
    },
    {
      ...options,
      observer: recorder(asked, told),
    },
  );
  control.set(flags ?? {});
  return Object.assign(client, control);
};
