import type { ErrorCode, EvaluationMetadata, JsonValue, Reason } from '@fledge/evaluation';

/**
 * The flags an application has, by key, with the type of their values. Empty, every key is accepted; augmented, getters
 * accept only the keys of their type:
 *
 * ```ts
 * declare module '@fledge/sdk' {
 *   interface FledgeFlags { 'new-checkout': boolean; banner: 'plain' | 'loud' }
 * }
 * ```
 */
// oxlint-disable-next-line typescript/no-empty-object-type -- applications fill it
export interface FledgeFlags {}

/** The keys of the flags whose values are a `Type`: any string until the application has declared its flags. */
export type FlagKey<Type = unknown> = keyof FledgeFlags extends never ? string : KeyOf<FledgeFlags, Type>;
type KeyOf<Flags, Type> = Extract<{ [Key in keyof Flags]: Flags[Key] extends Type ? Key : never }[keyof Flags], string>;

/** The type of a flag's values: `Type` until the application has declared the flag. */
export type FlagValue<Key, Type = JsonValue> = Key extends keyof FledgeFlags ? FledgeFlags[Key] : Type;

/** The answer for one flag and one context; without a value the caller's default is meant. */
export type Answer = {
  readonly value?: JsonValue;
  readonly variant?: string;
  readonly reason: Reason;
  readonly errorCode?: ErrorCode | 'PROVIDER_NOT_READY' | 'GENERAL';
  readonly errorMessage?: string;
  readonly metadata: EvaluationMetadata;
};

/** An answer with a value in any case: the caller's default when evaluation gave none. */
export type EvaluationDetails<Value> = Omit<Answer, 'value'> & { readonly value: Value };

/** The type of all values of a literal's kind: `false` is a boolean. */
export type Widened<Value> = Value extends boolean
  ? boolean
  : Value extends string
    ? string
    : Value extends number
      ? number
      : Value;
