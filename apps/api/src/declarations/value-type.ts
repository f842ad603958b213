import type { JsonValue } from '@fledge/evaluation';

/** Texts of more characters than this are content, not names to choose from. */
const LONGEST_LITERAL = 100;

/** The TypeScript type of any of these texts: a union of them, or `string` when one of them is long. */
export function textType(texts: readonly string[]): string {
  const isNames = texts.length > 0 && texts.every((text) => text.length <= LONGEST_LITERAL);
  return isNames ? [...new Set(texts.map(literal))].toSorted().join(' | ') : 'string';
}

/** The narrowest TypeScript type without literals that all these JSON values have: fields that some lack are optional, what none shows is `JsonValue`. */
export function valueType(values: readonly JsonValue[]): string {
  const types = new Set<string>();
  const lists: (readonly JsonValue[])[] = [];
  const objects: JsonObject[] = [];
  for (const value of values) {
    if (value === null) types.add('null');
    else if (isList(value)) lists.push(value);
    else if (typeof value === 'object') objects.push(value);
    else types.add(typeof value);
  }
  if (lists.length > 0) types.add(`readonly ${grouped(valueType(lists.flat()))}[]`);
  if (objects.length > 0) types.add(objectType(objects));
  return types.size === 0 ? 'JsonValue' : [...types].toSorted().join(' | ');
}

const isList = (value: JsonValue): value is readonly JsonValue[] => Array.isArray(value);

const grouped = (type: string): string => (/^\w+$/.test(type) ? type : `(${type})`);

type JsonObject = { readonly [name: string]: JsonValue };

function objectType(objects: readonly JsonObject[]): string {
  const fields = new Map<string, JsonValue[]>();
  for (const [name, value] of objects.flatMap((object) => Object.entries(object))) {
    const values = fields.get(name) ?? [];
    fields.set(name, values);
    values.push(value);
  }
  if (fields.size === 0) return '{ readonly [name: string]: JsonValue }';
  const members = [...fields.keys()].toSorted().map((name) => {
    const values = fields.get(name) ?? [];
    return `readonly ${literal(name)}${values.length < objects.length ? '?' : ''}: ${valueType(values)}`;
  });
  return `{ ${members.join('; ')} }`;
}

/** A text as TypeScript writes it: as JSON does, without the two characters that end a line nowhere else. */
export const literal = (text: string): string =>
  JSON.stringify(text)
    .replaceAll('\u2028', String.raw`\u2028`)
    .replaceAll('\u2029', String.raw`\u2029`);
