import fc from 'fast-check';
import { nasty } from './values.js';

/** What a header may be made of that Node still sends. */
export const headerValue = fc.oneof(
  nasty.map((value) => value.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 2_000)),
  fc.constantFrom('*', '"1"', 'W/"2"', '"17-abc"', ',,,', '"'.repeat(999), 'null', '0', '\u00ff\u00fe', '\t'),
);

export const hostileHeaders = fc.record(
  {
    'content-type': fc.constantFrom(
      'application/json',
      'application/json; charset=utf-16',
      'application/vnd.api+json',
      'application/merge-patch+json',
      'multipart/form-data; boundary=x',
      'text/plain',
      'x',
      '',
    ),
    'content-encoding': fc.constantFrom('identity', 'gzip', 'br', 'chunked'),
    'if-match': headerValue,
    'if-none-match': headerValue,
    'idempotency-key': headerValue,
    'x-request-id': headerValue,
    'x-forwarded-for': headerValue,
    'x-http-method-override': fc.constantFrom('DELETE', 'TRACE'),
    'last-event-id': headerValue,
    'x-api-key': headerValue,
    cookie: headerValue,
    expect: fc.constantFrom('100-continue'),
    origin: headerValue,
    accept: headerValue,
    'accept-encoding': fc.constantFrom('*', 'br;q=0', 'gzip, br', ';;;q=q', 'identity;q=0', 'gzip;q=1e999'),
  },
  { requiredKeys: ['content-type'] },
);

/** Bodies that no client library would send. */
export const rawBody: fc.Arbitrary<string | Buffer> = fc.oneof(
  fc.constantFrom(
    '',
    '{',
    '[]',
    'null',
    '0',
    '"',
    '{}{}',
    '{"key":}',
    '\ufeff{}',
    '['.repeat(5_000),
    `${'{"a":'.repeat(400)}1${'}'.repeat(400)}`,
    `{"key":"${'a'.repeat(70_000)}"}`,
    '{"__proto__":{"x":1}}',
    '{"constructor":{"prototype":{"x":1}}}',
    '{"key":1e999}',
    '{"key":"a","key":"b"}',
    String.raw`{"key":"\ud800"}`,
    String.raw`{"name":"\u0000"}`,
  ),
  // Not UTF-8: a byte of no character, an overlong slash, half a surrogate pair.
  fc.constantFrom('ff', 'c0af', 'eda080').map((hex) => Buffer.from(`7b226b6579223a22${hex}227d`, 'hex')),
  fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
  fc.json({ maxDepth: 5, stringUnit: 'binary' }),
);

/** Over the limit of every route. */
export const tooLarge: fc.Arbitrary<string> = fc.constant(`{"key":"${'a'.repeat(1_100_000)}"}`);

const TRICKS = [
  '.',
  '..',
  '%2e%2e',
  '..%2f..',
  '%2f',
  '%5c..',
  '\\..',
  '',
  ';a=b',
  '%00',
  '%',
  '%zz',
  '%c0%af',
  '%ff',
  '%u002e',
  '\u00ff',
  'default%2f',
  'default/..',
  '*',
  ':flag',
  '{flag}',
  '#',
  'a'.repeat(301),
] as const;

/** The path with one of its parts replaced or followed by something that a server or proxy might read otherwise, sent as it stands. */
export const tricky = (path: string): fc.Arbitrary<string> =>
  fc
    .record({
      at: fc.nat({ max: path.split('/').length - 1 }),
      trick: fc.constantFrom(...TRICKS),
      replaces: fc.boolean(),
    })
    .map(({ at, trick, replaces }) => path.split('/').toSpliced(Math.max(1, at), replaces ? 1 : 0, trick))
    .map((parts) => parts.join('/'));
