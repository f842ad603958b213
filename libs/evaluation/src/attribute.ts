import { own } from './json.js';
import type { JsonRecord } from './json.js';

/** Reads one attribute of a context at a time; undefined when it is absent. */
export type Read = (source: { readonly context: JsonRecord; readonly now: number }) => unknown;

/** Reads the attribute of that name: literally first, then as a dotted path into objects; `$now` is the source's time. */
export function attribute(name: string): Read {
  const literal: Read = ({ context }) => (Object.hasOwn(context, name) ? context[name] : undefined);
  const path = name.split('.');
  if (name !== '$now' && path.length === 1) return literal;
  return (source) => {
    const value = literal(source);
    if (value !== undefined) return value;
    return name === '$now' ? source.now : path.reduce<unknown>(own, source.context);
  };
}
