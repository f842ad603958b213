import { once } from 'node:events';
import { gzipSync } from 'node:zlib';
import { createLogger } from '@fledge/api';
import type { Response } from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADMIN_TOKEN, startApi, type TestApi } from '../support/api.js';
import { expectProblem } from '../support/problem.js';
import { connectRaw, speak } from '../support/raw.js';
import { sql } from '../support/sql.js';
import { openStream } from '../support/sse.js';
import { until } from '../support/wait.js';

let api: TestApi;
let sdkKey: string;

beforeAll(async () => {
  api = await startApi({ FLEDGE_LIMIT_HEADERS_SECONDS: '1', FLEDGE_LIMIT_REQUEST_SECONDS: '2' });
  sdkKey = await api.sdkKey();
  await api.admin.post('/projects', { key: 'other' }).expect(201);
});
afterAll(() => api.stop());

const request = (line: string, headers: readonly string[] = [], body = ''): string =>
  [`${line} HTTP/1.1`, 'Host: localhost', `Authorization: Bearer ${ADMIN_TOKEN}`, ...headers, '', body].join('\r\n');
const statuses = (answer: string): string[] =>
  [...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status ?? '');

describe('browsers', () => {
  const answers = async (): Promise<Response[]> => [
    await api.admin.get('/projects').expect(200),
    await api.admin.get('/projects/default').expect(200),
    await api.admin.get('/projects/default').set('if-none-match', '*').expect(304),
    await api.as(undefined).get('/projects').expect(401),
    await api.admin.get('/nowhere').expect(404),
    await api.admin.get('/projects/%').expect(400),
    await api.admin.post('/projects', { key: 'default' }).expect(409),
    await api.as(sdkKey).get('/sdk/v1/snapshot').expect(200),
    await api.as(sdkKey).post('/ofrep/v1/evaluate/flags', { context: {} }).expect(200),
    await api.as(undefined).get('/health/live').expect(200),
    await api.as(undefined).get('/metrics').expect(200),
    await api.as(undefined).get('/openapi.json').expect(200),
    await api.as(undefined).get('/docs').expect(200),
    await api.as(undefined).get('/docs/swagger-ui-bundle.js').expect(200),
  ];

  it('are told to take no answer for more than it is, and nothing of what serves it', async () => {
    for (const { headers, request: asked } of await answers()) {
      const { url } = asked as unknown as { url: string };
      expect(headers, url).toMatchObject({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' });
      expect(headers['content-security-policy'], url).toMatch(/^default-src 'none'; .*frame-ancestors 'none'/);
      expect(headers['cache-control'], url).toMatch(/no-store|no-cache|max-age=0/);
      expect(Object.keys(headers), url).not.toEqual(
        expect.arrayContaining([expect.stringMatching(/^(?:server|x-powered-by|via|x-aspnet.*)$/)]),
      );
    }
    expect((await api.as(undefined).get('/metrics')).text).not.toContain(process.version);
  });

  it('of a stream are told not to guess its type either', async () => {
    const stream = await openStream(api.url, sdkKey);
    expect(stream.headers['x-content-type-options']).toBe('nosniff');
    stream.close();
  });

  it('find Swagger UI with no script but its own, and no host but this one', async () => {
    const { text, headers } = await api.as(undefined).get('/docs').expect(200);
    expect(headers['content-security-policy']).toContain("script-src 'self';");
    const scripts = [...text.matchAll(/<script\b([^>]*)>([^<]*)/g)];
    expect(scripts.length).toBeGreaterThan(2);
    for (const [, attributes, inline] of scripts) {
      expect(attributes).toMatch(/ src="\.?\/?[\w/.-]+"/);
      expect(inline?.trim()).toBe('');
    }
    expect(text).not.toMatch(/\bon\w+=|javascript:|(?:src|href)="(?:https?:)?\/\//);
    // The badge of an outside validator would be shown the document's address.
    expect((await api.as(undefined).get('/docs/swagger-ui-init.js')).text).toMatch(/"validatorUrl": null/);
  });

  it('of other origins may read nothing', async () => {
    for (const path of ['/projects', '/sdk/v1/snapshot', '/docs', '/openapi.json', '/health/live', '/metrics']) {
      const answer = await api.admin.get(path).set('origin', 'https://evil.example');
      expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    }
    const preflight = await speak(
      api.url,
      request('OPTIONS /api/v1/projects', [
        'Origin: https://evil.example',
        'Access-Control-Request-Method: POST',
        'Connection: close',
      ]),
    );
    expect(statuses(preflight)).toEqual(['404']);
    expect(preflight).not.toMatch(/access-control/i);
  });
});

describe('who sends slowly', () => {
  it('is hung up on, and who listens is not', async () => {
    const stream = await openStream(api.url, sdkKey);
    const silent = await connectRaw(api.url);
    const slowHead = await connectRaw(api.url);
    slowHead.socket.write('GET /health/live HTTP/1.1\r\nHost: x\r\n');
    const drip = setInterval(() => slowHead.socket.write('X: y\r\n'), 200);
    const slowBody = await connectRaw(api.url);
    slowBody.socket.write(
      request('POST /api/v1/projects', ['Content-Type: application/json', 'Content-Length: 99'], '{'),
    );
    try {
      const [head, body] = await Promise.all([slowHead.closed(), slowBody.closed(), silent.closed()]);
      expect(statuses(head)).toEqual(['408']);
      expect(head).toContain('urn:fledge:problem:request_timeout');
      expect(statuses(body)).toEqual(['408']);
      expect(stream.ended).toBe(false);
    } finally {
      clearInterval(drip);
      stream.close();
    }
  });

  it('and opens more connections than there may be gets none', async () => {
    const small = await startApi({ FLEDGE_LIMIT_CONNECTIONS: '2' });
    const held = [await connectRaw(small.url), await connectRaw(small.url)];
    try {
      const third = await connectRaw(small.url);
      third.socket.write(request('GET /health/live'));
      expect(await third.closed()).toBe('');
    } finally {
      for (const { socket } of held) socket.destroy();
      await small.stop();
    }
  });
});

describe('a request that proxies might read otherwise', () => {
  const smuggled = `GET /api/v1/projects HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${ADMIN_TOKEN}\r\n\r\n`;
  const cases: readonly (readonly [string, readonly string[], string])[] = [
    ['two lengths', ['Content-Length: 4', 'Content-Length: 44'], `{}  ${smuggled}`],
    ['a length and chunks', ['Content-Length: 4', 'Transfer-Encoding: chunked'], `0\r\n\r\n${smuggled}`],
    ['chunks that are not the last coding', ['Transfer-Encoding: chunked, identity'], `0\r\n\r\n${smuggled}`],
    ['a coding that is almost chunks', ['Transfer-Encoding: xchunked'], `0\r\n\r\n${smuggled}`],
    ['a blank before the colon', ['Transfer-Encoding : chunked'], `0\r\n\r\n${smuggled}`],
    ['a folded header', ['X: y', ' Transfer-Encoding: chunked'], smuggled],
    ['a size that is no number', ['Transfer-Encoding: chunked'], `0x4\r\n{}  \r\n0\r\n\r\n${smuggled}`],
    ['a size without a return', ['Transfer-Encoding: chunked'], `2\n{}\n0\n\n${smuggled}`],
    ['a NUL in a header', ['X: a\0b'], smuggled],
    ['a length with a sign', ['Content-Length: +2'], `{}${smuggled}`],
  ];

  it.each(cases)('with %s is answered once, with 400, and nothing after it is read', async (_, headers, body) => {
    const answer = await speak(
      api.url,
      request('POST /api/v1/projects', ['Content-Type: application/json', ...headers], body),
    );
    expect(statuses(answer)).toEqual(['400']);
    expect(answer).toMatch(/connection: close/i);
  });

  it('without a Host is answered 400, and with a foreign one as with any', async () => {
    expect(statuses(await speak(api.url, 'GET /health/live HTTP/1.1\r\n\r\n'))).toEqual(['400']);
    const answer = await api.admin
      .post('/projects', { key: 'hosted' })
      .set('host', 'evil.example')
      .set('x-forwarded-host', 'evil.example')
      .expect(201);
    expect(answer.headers['location']).toBe('/api/v1/projects/hosted');
    expect(JSON.stringify([answer.headers, answer.body])).not.toContain('evil');
    const page = await api.as(undefined).get('/docs').set('host', 'evil.example').expect(200);
    expect(page.text).not.toContain('evil');
  });

  it('by a method that nobody serves gets nothing back of what it sent', async () => {
    for (const method of ['TRACE', 'TRACK', 'PROPFIND', 'CONNECT']) {
      const answer = await speak(
        api.url,
        request(`${method} /api/v1/projects`, ['X-Secret: s3cr3t', 'Connection: close']),
      );
      expect(answer).not.toContain('s3cr3t');
      expect(answer).not.toContain(ADMIN_TOKEN);
      expect(answer === '' || /^HTTP\/1\.1 4\d\d /.test(answer), answer).toBe(true);
    }
    const upgrade = ['Connection: Upgrade', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__'];
    const { socket, answer } = await connectRaw(api.url);
    socket.write(request('GET /health/live', upgrade));
    await until(() => answer() !== '', 'it is answered');
    expect(answer()).toMatch(/^HTTP\/1\.1 200 /);
    socket.destroy();
  });
});

describe('a compressed body', () => {
  it('is refused before it is read, whatever it would become', async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1_048_576, 97));
    for (const coding of ['gzip', 'br', 'deflate', 'zstd', 'x-gzip', 'gzip, identity']) {
      const answer = await api.admin
        .post('/projects')
        .set('content-type', 'application/json')
        .set('content-encoding', coding)
        .serialize((sent) => sent)
        .send(bomb as unknown as string);
      expectProblem(answer, 415, 'unsupported_coding');
    }
    await api.admin.post('/projects', { key: 'plain' }).set('content-encoding', 'identity').expect(201);
  });
});

describe('a token of one project', () => {
  const paths = [
    '/api/v1/projects/other',
    '/api/v1/projects/%6fther',
    '/api/v1/projects/OTHER',
    '/api/v1/projects/default/../other',
    '/api/v1/projects/default/%2e%2e/other',
    '/api/v1/projects/default%2f..%2fother',
    '/api/v1/projects/default%5c..%5cother',
    '/api/v1/projects/default%00other',
    '/api/v1/projects/other%00default',
    '/api/v1/projects/other;project=default',
    '/api/v1/projects/other?project=default',
    '/api/v1/projects/other#/default',
    '/api/v1//projects/other',
    '//api/v1/projects/other',
    '/api/v1/projects/other/',
    '/API/v1/projects/other',
    '/api/v1/projects/other/flags',
    '/api/v1/projects/other/environments',
    '/api/v1/projects/other/changes',
  ];
  it('reaches no other project, however the path is written', async () => {
    const made = await api.admin
      .post('/tokens', { name: 'x', kind: 'management', role: 'admin', project: 'default' })
      .expect(201);
    const { token } = made.body as { token: string };
    for (const path of paths) {
      const asked = `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer ${token}\r\n\r\n`;
      const answer = await speak(api.url, asked);
      expect({ path, statuses: statuses(answer) }).toEqual({
        path,
        statuses: [expect.stringMatching(/^40[034]$/) as string],
      });
    }
  });
});

describe('what is sent', () => {
  it('comes back in no header but where it belongs, and there harmless', async () => {
    const evil = 'a%0d%0aSet-Cookie:%20x=y';
    for (const path of [`/projects/${evil}`, `/projects/default/flags?cursor=${evil}`, `/nowhere/${evil}`]) {
      const answer = await api.admin.get(path).set('x-request-id', 'a;Set-Cookie: x=y');
      expect(answer.headers['set-cookie']).toBeUndefined();
      expect(answer.headers['x-request-id']).toMatch(/^[\w-]{36}$/);
      expect(answer.headers['content-type']).toContain('json');
    }
  });

  it('is never a part of a statement: names and searches that are SQL find nothing and break nothing', async () => {
    const count = async (): Promise<unknown> => (await sql(api.databaseUrl, 'SELECT count(*) FROM project'))[0];
    const before = await count();
    for (const text of [
      "'",
      "' OR 1=1 --",
      "'; DROP TABLE project; --",
      '$1',
      '\\',
      '%',
      '_',
      "') UNION SELECT hash FROM token --",
    ]) {
      const encoded = encodeURIComponent(text);
      for (const query of [`q=${encoded}`, `tag=${encoded}`]) {
        const { body } = await api.admin.get(`/projects/default/flags?${query}`).expect(200);
        expect(body).toEqual({ items: [], nextCursor: null });
      }
      for (const query of [`sort=${encoded}`, `cursor=${encoded}`]) {
        expectProblem(await api.admin.get(`/projects/default/flags?${query}`), 400, 'bad_request');
      }
      expectProblem(await api.admin.get(`/projects/${encoded}`), 404, 'not_found');
    }
    expect(await count()).toEqual(before);
  });
});

describe('a fault', () => {
  it('tells the client nothing of the inside, and the log nothing of what was sent', async () => {
    const broken = await startApi();
    const { token } = (await broken.admin.post('/tokens', { name: 'x', kind: 'management', role: 'admin' }).expect(201))
      .body as { token: string };
    await sql(broken.databaseUrl, 'ALTER TABLE project RENAME COLUMN description TO gone');
    const answer = await broken.as(token).post('/projects', { key: 'a', description: 'between us' });
    const { detail } = expectProblem(answer, 500, 'internal');
    expect(detail).not.toMatch(/column|relation|typeorm|project/i);
    expect(answer.text).not.toMatch(/between us|SELECT|INSERT|\.ts|stack/);
    await broken.stop();
  });

  it('is logged without parameters, rows and fields that nobody vouched for', async () => {
    const lines: string[] = [];
    const log = createLogger({ production: true, logLevel: 'trace' }, false, {
      write: (line) => void lines.push(line),
    });
    const cause = Object.assign(new Error('duplicate key'), { code: '23505', detail: 'Key (hash)=(s3cr3t)' });
    const error = Object.assign(new Error('failed', { cause }), {
      query: 'INSERT INTO token VALUES ($1)',
      parameters: ['s3cr3t'],
      driverError: cause,
      config: { password: 's3cr3t' },
    });
    log.error({ err: error }, 'request failed');
    log.error({ err: 'no error at all' });
    log.info({ req: { method: 'GET', url: '/x?token=s3cr3t', headers: { authorization: 's3cr3t' } } });
    const text = lines.join('');
    expect(text).not.toContain('s3cr3t');
    expect(text).toContain('INSERT INTO token VALUES ($1)');
    expect(text).toContain('"code":"23505"');
    expect(text).toContain('"path":"/x"');
    expect(text).toContain('no error at all');
  });
});

it('after all of that the service goes on', async () => {
  await api.admin.get('/projects').expect(200);
  const closed = await connectRaw(api.url);
  closed.socket.write(request('GET /health/ready', ['Connection: close']));
  await once(closed.socket, 'close');
  expect(statuses(closed.answer())).toEqual(['200']);
});
