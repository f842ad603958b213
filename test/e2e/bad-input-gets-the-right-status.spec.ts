import type { Response, Test } from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADMIN_TOKEN, startApi, type TestApi } from '../support/api.js';
import { expectInvalid, expectProblem } from '../support/problem.js';
import { speak } from '../support/raw.js';
import { everyRow } from '../support/sql.js';

let api: TestApi;
let before: string[];

beforeAll(async () => {
  api = await startApi();
  before = await everyRow(api.databaseUrl);
});
afterAll(async () => {
  // Nothing in this file is a legal write.
  expect(await everyRow(api.databaseUrl)).toEqual(before);
  await api.stop();
});

const raw = (body: string | Buffer, type = 'application/json'): Test =>
  api.admin
    .post('/projects')
    .set('content-type', type)
    .serialize((sent) => sent)
    .send(body as string);

describe('a body', () => {
  it('that is not JSON is answered 400 with the position', async () => {
    expect(expectProblem(await raw('{"key": '), 400, 'not_json').detail).toMatch(/^The body is not valid JSON/);
    expect(expectProblem(await raw('{"key":"a",}'), 400, 'not_json').detail).toMatch(/position 11/);
    for (const text of ['undefined', 'NaN', "{'key':1}", '{"key":01}', '﻿', '{}{}', '\u0000']) {
      expectProblem(await raw(text), 400, 'not_json');
    }
  });

  it('that is not UTF-8 is answered 400', async () => {
    expectProblem(await raw(Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])), 400, 'invalid_utf8');
    expectProblem(await raw(Buffer.from('{"key":"ä"}', 'latin1')), 400, 'invalid_utf8');
    // A surrogate in UTF-8's clothes.
    expectProblem(await raw(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])), 400, 'invalid_utf8');
  });

  it('of another media type is answered 415', async () => {
    for (const type of [
      'text/plain',
      'application/xml',
      'application/x-www-form-urlencoded',
      'multipart/form-data',
      'x',
    ]) {
      expectProblem(await raw('{"key":"a"}', type), 415, 'unsupported_media_type');
    }
    expect(await speak(api.url, post('{"key":"a"}', []))).toMatch(/^HTTP\/1.1 415 /);
  });

  it('of over 1 MiB is answered 413, one of exactly 1 MiB is read', async () => {
    const sized = (bytes: number): string => JSON.stringify({ key: 'a'.repeat(bytes - 10) });
    expect(Buffer.byteLength(sized(1_048_576))).toBe(1_048_576);
    expectInvalid(await raw(sized(1_048_576)), '/key format');
    expectProblem(await raw(sized(1_048_577)), 413, 'body_too_large');
  });

  it('of over 1 MiB is refused also when it does not say its length', async () => {
    const answer = await speak(
      api.url,
      Buffer.concat([
        Buffer.from(
          head(['Transfer-Encoding: chunked', 'Content-Type: application/json']) + (1_048_600).toString(16) + '\r\n"',
        ),
        Buffer.alloc(1_048_599, 97),
        Buffer.from('\r\n0\r\n\r\n'),
      ]),
    );
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
    expect(answer).toContain('body_too_large');
  });

  it('nested deeper than 32 levels is answered 422, one of 32 levels is read', async () => {
    const nested = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`;
    const named = (levels: number): string => `{"key":${nested(levels - 1)}}`;
    expectInvalid(await raw(named(32)), '/key format');
    for (const levels of [33, 34, 500_000]) {
      const { errors } = expectProblem(await raw(named(levels)), 422, 'too_deep');
      expect(errors?.[0]?.pointer).toBe(`/key${'/0'.repeat(31)}`);
    }
  });

  it('with a key __proto__ is answered 422 wherever the key is', async () => {
    expectProblem(await raw('{"__proto__":{"key":"a"}}'), 422, 'forbidden_key');
    const { errors } = expectProblem(await raw('{"key":"a","x":[{"a/b~c":{"__proto__":1}}]}'), 422, 'forbidden_key');
    expect(errors?.[0]?.pointer).toBe('/x/0/a~1b~0c/__proto__');
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it('with keys that every JavaScript object has is refused like any unknown field', async () => {
    const keys = [
      'constructor',
      'toString',
      'valueOf',
      'hasOwnProperty',
      'prototype',
      'then',
      'toJSON',
      'isPrototypeOf',
    ];
    for (const key of keys) {
      expectInvalid(await api.admin.post('/projects', { key: 'a', [key]: { x: 1 } }), `/${key} unknown_field`);
      expectInvalid(await api.admin.patch('/projects/default', { [key]: 1 }), `/${key} unknown_field`);
    }
  });

  it('that is no object is answered 422', async () => {
    for (const text of ['[]', '"text"', '1', 'true', 'null', '[{"key":"a"}]']) {
      const { errors } = expectProblem(await raw(text), 422, 'invalid');
      expect(errors?.[0]?.pointer).toMatch(text === 'null' ? /^\/key$|^$/ : /^$/);
    }
  });

  it('that is missing is read as an empty object', async () => {
    expectInvalid(await api.admin.post('/projects'), '/key missing');
    expectInvalid(await raw(''), '/key missing');
  });

  it('with texts that Postgres cannot keep is answered 422', async () => {
    for (const text of ['\u0000', 'a\u0000b', '\ud800', '\udc00x']) {
      expectInvalid(await api.admin.post('/projects', { key: 'a', name: text }), '/name format');
      expectInvalid(await api.admin.post('/projects', { key: 'a', comment: text }), '/comment format');
    }
  });
});

describe('a path', () => {
  it('that nobody serves is answered 404', async () => {
    for (const path of [
      '/nope',
      '/api/v1',
      '/api/v2/projects',
      '/projects/default/nope',
      '/sdk/v1/nope',
      '/api/v1//projects',
    ]) {
      expectProblem(await api.admin.get(path), 404, 'no_such_path');
    }
    expectProblem(await api.admin.put('/projects/default', {}), 404, 'no_such_path');
  });

  it('that is no URL path is answered 400', async () => {
    for (const path of ['/projects/%', '/projects/%zz', '/projects/%ff', '/projects/%c3%28', '/projects/%ed%a0%80']) {
      expectProblem(await api.admin.get(path), 400, 'bad_url');
    }
  });

  it('with a name that no key can be is answered 404', async () => {
    const names = [
      '%00',
      'a%00b',
      '..%2f..%2fetc',
      '%2e%2e%2f',
      'a%0d%0ab',
      "'%20OR%201=1--",
      '%F0%9F%98%80',
      'A'.repeat(101),
    ];
    for (const name of names) {
      for (const path of [
        `/projects/${name}`,
        `/projects/default/environments/${name}`,
        `/projects/default/flags/${name}`,
        `/projects/default/cohorts/${name}`,
        `/projects/default/cohorts/${name}/members`,
        `/projects/default/environments/production/flags/${name}`,
        `/projects/${name}/changes`,
        `/tokens/${name}`,
      ]) {
        const answer = await api.admin.get(path);
        expect({ path, status: answer.status }).toEqual({ path, status: 404 });
      }
      expect((await api.admin.post(`/projects/${name}/flags`, { key: 'a', type: 'boolean' })).status).toBe(404);
      expect((await api.admin.post(`/projects/default/flags/${name}/archive`)).status).toBe(404);
    }
  });

  it('as long as nobody would type is answered 404, or 431 when it is too long to be read', async () => {
    expectProblem(await api.admin.get(`/projects/${'a'.repeat(300)}`), 404, 'not_found');
    expectProblem(await api.admin.get(`/projects/${'a'.repeat(301)}`), 404, 'no_such_path');
    expectProblem(await api.admin.get(`/projects/${'a'.repeat(10_000)}`), 404, 'no_such_path');
    expectProblem(await api.admin.get(`/projects/${'a/'.repeat(5_000)}`), 404, 'no_such_path');
    expect(await speak(api.url, `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`)).toMatch(/^HTTP\/1.1 431 /);
  });

  it('tells keys that differ in case apart', async () => {
    expectProblem(await api.admin.get('/projects/Default'), 404, 'not_found');
  });
});

describe('a query', () => {
  it('with a wrong or unknown parameter is answered 400 with every one', async () => {
    const answer = await api.admin.get('/projects/default/flags?limit=0&archived=maybe&nope=1&q=a&q=b');
    const { errors = [] } = expectProblem(answer, 400, 'bad_request');
    expect(new Set(errors.map(({ pointer }) => pointer))).toEqual(new Set(['/limit', '/archived', '/nope', '/q']));
  });

  it('that holds U+0000 is answered 400', async () => {
    for (const query of ['q=%00', 'q=a%00b', 'tag=%00', 'cursor=%00', 'sort=%00']) {
      expectProblem(await api.admin.get(`/projects/default/flags?${query}`), 400, 'bad_request');
    }
    for (const name of ['action', 'type', 'key', 'environment', 'actor', 'since', 'until']) {
      expectProblem(await api.admin.get(`/projects/default/changes?${name}=%00`), 400, 'bad_request');
    }
    expectProblem(await api.admin.delete('/projects/default?confirm=default&comment=%00'), 400, 'bad_request');
    expectProblem(await api.admin.delete('/projects/default/flags/a?comment=%00'), 400, 'bad_request');
  });

  it('with an instant that is none is answered 400', async () => {
    const none = [
      '2026-W01',
      '2026',
      '2026-11-23',
      '2026-11-23T10:00:00',
      '2026-02-30T00:00:00Z',
      '0000-01-01T00:00:00Z',
    ];
    for (const text of [
      ...none,
      '2026-11-23T10:00:00%2B99:00',
      '2026-11-23T24:00:00Z',
      'now',
      'infinity',
      '1e9',
      '-1',
    ]) {
      for (const name of ['since', 'until']) {
        expectProblem(await api.admin.get(`/projects/default/changes?${name}=${text}`), 400, 'bad_request');
      }
    }
  });

  it('is not read where a body carries the same', async () => {
    // The comment of a POST is in its body; a query cannot smuggle an unchecked one in.
    expectInvalid(await api.admin.post('/projects?comment=%00', { key: '!' }), '/key format');
    expectProblem(await api.admin.patch('/projects/nope?comment=%00', { name: 'x' }), 404, 'not_found');
  });

  it("with the names of an object's own members changes nothing", async () => {
    const answer = await api.admin.get('/projects/default/flags?__proto__=1&constructor=2&hasOwnProperty=3');
    expect(answer.status).toBeLessThan(500);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });
});

describe('a header', () => {
  const cases: [name: string, values: string[]][] = [
    [
      'if-match',
      ['', '17', '"a"', '"1', 'W/1', '"1" "2"', '"1",', '"-1"', '"1.5"', '"99999999999"', `"${'1'.repeat(2_000)}"`],
    ],
    ['idempotency-key', ['', 'a'.repeat(256), 'ä', 'a\tb']],
  ];
  it.each(cases)('%s that cannot be read is answered 400', async (name, values) => {
    for (const value of values) {
      const answer = await api.admin.patch('/projects/default', { name: 'x' }).set(name, value);
      const { errors } = expectProblem(answer, 400, 'bad_request');
      expect(errors?.[0]?.pointer.toLowerCase()).toBe(`/${name}`);
    }
  });

  it('authorization that is no bearer token is answered 401', async () => {
    const values = [
      '',
      'Bearer',
      'Bearer ',
      `Basic ${Buffer.from(`x:${ADMIN_TOKEN}`).toString('base64')}`,
      ADMIN_TOKEN,
    ];
    for (const value of [
      ...values,
      `Bearer ${ADMIN_TOKEN} x`,
      `Bearer ${ADMIN_TOKEN}x`,
      `Bearer ${'a'.repeat(5_000)}`,
    ]) {
      const answer = await api.as(undefined).get('/projects').set('authorization', value);
      expect([401]).toContain(answer.status);
      expect(answer.headers['www-authenticate']).toBe('Bearer realm="fledge"');
    }
  });

  it('x-request-id is echoed when it is harmless and replaced when not', async () => {
    const id = async (value: string): Promise<unknown> =>
      (await api.admin.get('/projects').set('x-request-id', value)).headers['x-request-id'];
    expect(await id('req-1:a.b_c')).toBe('req-1:a.b_c');
    for (const value of ['a b', 'a'.repeat(129), '<script>', '{"a":1}'])
      expect(await id(value)).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('that breaks HTTP itself is answered 400 and the service goes on', async () => {
    for (const bytes of [
      'GET / HTTP/1.1\r\nHost: x\r\nBad Header: 1\r\n\r\n',
      'NONSENSE\r\n\r\n',
      head(['Content-Length: -1']),
      head(['Content-Length: 5', 'Transfer-Encoding: chunked']),
    ]) {
      expect(await speak(api.url, bytes)).toMatch(/^HTTP\/1.1 400 /);
    }
    expect(await speak(api.url, `GET /health/live HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1.1 431 /,
    );
    await api.admin.get('/projects').expect(200);
  });
});

it('no refusal tells of the inside', async () => {
  const answers: Response[] = [
    await raw('{'),
    await api.admin.get('/projects/%00'),
    await api.admin.get('/projects/default/changes?since=2026-W01'),
    await api.admin.post('/projects', { constructor: {} }),
  ];
  for (const { text } of answers)
    expect(text).not.toMatch(/node_modules|\.ts\b|\.js\b|\bat \w+\.|SELECT|QueryFailed|stack/);
});

const head = (headers: readonly string[]): string =>
  [
    'POST /api/v1/projects HTTP/1.1',
    'Host: x',
    `Authorization: Bearer ${ADMIN_TOKEN}`,
    'Connection: close',
    ...headers,
    '',
    '',
  ].join('\r\n');
const post = (body: string, headers: readonly string[]): string =>
  head([`Content-Length: ${Buffer.byteLength(body)}`, ...headers]) + body;
