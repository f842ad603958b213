import { own } from './json.js';
import type { JsonRecord } from './json.js';
import { timeOf } from './run.js';
import type { Timed } from './run.js';

/** The name of an attribute, taken apart once. */
export type Attribute = { readonly name: string; readonly path: readonly string[] | undefined };

/** What is bucketed when nothing else is named. */
export const TARGETING_KEY: Attribute = { name: 'targetingKey', path: undefined };

/** Takes the name of an attribute apart. */
export function attribute(name: string): Attribute {
  return name === TARGETING_KEY.name ? TARGETING_KEY : { name, path: name.includes('.') ? name.split('.') : undefined };
}

/**
 * The attribute's value, undefined when it is absent: the name taken literally first, then as a dotted path into
 * objects. `$now` is the time of the run unless the context brings one.
 */
export function read({ name, path }: Attribute, context: JsonRecord, run: Timed): unknown {
  const value = Object.hasOwn(context, name) ? context[name] : undefined;
  if (value !== undefined) return value;
  return name === '$now' ? timeOf(run) : path?.reduce<unknown>(own, context);
}
