import fc from 'fast-check';
import type { ApiDocument } from './document.js';
import type { Schema } from './schema.js';

/** Keys of things that exist, so that what is asked reaches deep. */
export const KNOWN = [
  'default',
  'mobile',
  'production',
  'development',
  'new-checkout',
  'banner',
  'payments',
  'staff',
  'beta',
  'standard',
  'on',
  'off',
  'targetingKey',
] as const;

/** Texts that somewhere on the way mean more than themselves. */
const NASTY = [
  '',
  ' ',
  '\u0000',
  'a\u0000b',
  '\ud800',
  '😀',
  '__proto__',
  'constructor',
  'prototype',
  'hasOwnProperty',
  'toString',
  'then',
  'null',
  'undefined',
  'NaN',
  '.',
  '..',
  '../..',
  '/',
  '\\',
  '%',
  '%2f',
  '%25',
  '~1',
  '*',
  '$now',
  '$1',
  "'; DROP TABLE flag; --",
  '" OR 1=1',
  '${7*7}',
  '{{7*7}}',
  '<script>alert(1)</script>',
  '\r\nX: y',
  '\u202etxt',
  'a'.repeat(101),
  'é'.repeat(1_001),
  'x'.repeat(70_000),
  '(a+)+$',
  '(?=a)',
  '[',
  '1e400',
  '-1',
  '0x10',
  '2026-02-30T00:00:00Z',
  '2026-11-23T10:00:00Z',
  '0001-01-01T00:00:00Z',
  '9999-12-31T23:59:59.999999999+14:00',
  '9999999999999999999999',
  '00000000-0000-0000-0000-000000000000',
] as const;

const NUMBERS = [
  0,
  -0,
  1,
  -1,
  0.1,
  1e-7,
  5e-324,
  33.333,
  100,
  100.0001,
  200,
  201,
  2 ** 31,
  2 ** 53,
  -(2 ** 63),
  1e21,
  Number.MAX_VALUE,
];

export const nasty = fc.constantFrom(...NASTY);
export const text = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...KNOWN) },
  { weight: 2, arbitrary: fc.string({ maxLength: 12, unit: 'grapheme' }) },
  { weight: 1, arbitrary: nasty },
);

/** Lists or objects inside each other, so many levels of them. */
const deep = fc.record({ levels: fc.constantFrom(9, 31, 33, 120), isList: fc.boolean() }).map(({ levels, isList }) => {
  let value: unknown = 1;
  for (let level = 0; level < levels; level += 1) value = isList ? [value] : { a: value };
  return value;
});

/** An own property of this name, which JSON.parse makes of the text and an object literal would not. */
const polluting = fc.constantFrom('__proto__', 'constructor', 'prototype').map((name): unknown => {
  const value: unknown = JSON.parse(`{"${name}":{"role":"admin","enabled":true}}`);
  return value;
});

const anyJson: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom<unknown>(null, true, false, ...NUMBERS, ...NASTY) },
  { weight: 3, arbitrary: fc.jsonValue({ maxDepth: 3, stringUnit: 'binary' }) },
  { weight: 1, arbitrary: fc.oneof(deep, polluting) },
);

/** What satisfies the schema, as far as the schema says: the service may know more. */
export function satisfying(schema: Schema, document: ApiDocument, depth = 0): fc.Arbitrary<unknown> {
  const resolved = document.resolve(schema);
  const more = [resolved.example, resolved.default].filter((value) => value !== undefined);
  const own = shaped(resolved, document, depth);
  const known = more.length === 0 ? own : fc.oneof({ weight: 2, arbitrary: fc.constantFrom(...more) }, own);
  return resolved.nullable === true ? fc.option(known, { freq: 8 }) : known;
}

function shaped(schema: Schema, document: ApiDocument, depth: number): fc.Arbitrary<unknown> {
  const alternatives = schema.oneOf ?? schema.anyOf ?? schema.allOf;
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  if (alternatives !== undefined) return fc.oneof(...alternatives.map((one) => satisfying(one, document, depth)));
  switch (schema.type) {
    case 'string':
      return text.map((value) => value.slice(0, schema.maxLength));
    case 'integer':
      return fc.integer({ min: schema.minimum ?? -10, max: schema.maximum ?? 1_000 });
    case 'number':
      return fc
        .constantFrom(0, 0.5, 12.5, 25, 50, 99.999, 100)
        .map((value) => Math.min(value, schema.maximum ?? value));
    case 'boolean':
      return fc.boolean();
    case 'array':
      return fc.array(satisfying(schema.items ?? {}, document, depth + 1), {
        maxLength: Math.min(3, schema.maxItems ?? 3),
      });
    case 'object':
      return depth > 6 ? fc.constant({}) : objectOf(schema, document, depth);
    case undefined:
    default:
      return anyJson;
  }
}

function objectOf(
  { properties = {}, required = [], additionalProperties }: Schema,
  document: ApiDocument,
  depth: number,
): fc.Arbitrary<unknown> {
  const members = Object.fromEntries(
    Object.entries(properties).map(([name, member]) => [name, satisfying(member, document, depth + 1)]),
  );
  const named = fc.record(members, { requiredKeys: required.filter((name) => name in members), noNullPrototype: true });
  if (additionalProperties === undefined || additionalProperties === false) return named;
  const value = additionalProperties === true ? anyJson : satisfying(additionalProperties, document, depth + 1);
  const others = fc.dictionary(text, value, { maxKeys: 3, noNullPrototype: true });
  return fc.tuple(others, named).map(([more, own]) => ({ ...more, ...own }));
}

type Place = readonly (string | number)[];

/** Every place in a document, its root included. */
function placesIn(value: unknown, place: Place = []): Place[] {
  if (typeof value !== 'object' || value === null) return [place];
  const members: [string | number, unknown][] = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  return [place, ...members.flatMap(([name, member]) => placesIn(member, [...place, name]))];
}

type Edit = { readonly place: Place; readonly value: unknown; readonly how: 'replace' | 'remove' | 'add' };

/** The same document with one to three places put out of shape. */
export const spoiled = (document: unknown): fc.Arbitrary<unknown> =>
  fc
    .array(
      fc.record<Edit>({
        place: fc.constantFrom(...placesIn(document)),
        value: anyJson,
        how: fc.constantFrom('replace', 'remove', 'add'),
      }),
      { minLength: 1, maxLength: 3 },
    )
    .map((edits) => edits.reduce<unknown>((body, edit) => edited(body, edit.place, edit), document));

function edited(document: unknown, [name, ...rest]: Place, edit: Edit): unknown {
  if (name === undefined) return edit.how === 'replace' ? edit.value : document;
  if (typeof document !== 'object' || document === null) return document;
  const copy: unknown = Array.isArray(document) ? [...document] : { ...document };
  const members = copy as Record<string | number, unknown>;
  if (rest.length > 0) members[name] = edited(members[name], rest, edit);
  else if (edit.how === 'remove') Reflect.deleteProperty(members, name);
  else members[edit.how === 'add' ? `${name}x` : name] = edit.value;
  return copy;
}
