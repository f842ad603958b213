import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SECRET } from '../support/api.js';
import { removeDirectory, startService, temporaryDirectory, type Service } from '../support/service.js';
import { ServiceClient } from '../support/service-client.js';
import { openStream } from '../support/sse.js';
import { until } from '../support/wait.js';

let dataDir: string;
let service: Service;

beforeAll(async () => {
  dataDir = await temporaryDirectory();
  service = await startService(dataDir, { LOG_LEVEL: 'trace' });
});
afterAll(async () => {
  await service.stop();
  await removeDirectory(dataDir);
});

type Secrets = { adminToken: string; sdkKeys: Record<string, string> };

it('whatever is asked, and with whatever token, nothing that the process prints holds one', async () => {
  const { adminToken, sdkKeys } = JSON.parse(await readFile(join(dataDir, 'secrets.json'), 'utf8')) as Secrets;
  const admin = new ServiceClient(service.url, adminToken);
  await admin.makeFlags('checkout');
  await admin.toggle('checkout', true);
  const client = await admin.must('POST', '/tokens', {
    name: 'shop',
    kind: 'client',
    project: 'default',
    environment: 'production',
  });
  const { id, key } = await admin.makeKey();

  const bulk = await fetch(`${service.url}/ofrep/v1/evaluate/flags`, {
    method: 'POST',
    headers: { 'x-api-key': client.body.token as string, 'content-type': 'application/json' },
    body: '{"context":{"targetingKey":"a"}}',
  });
  const { eventStreams } = (await bulk.json()) as { eventStreams: { endpoint: { requestUri: string } }[] };
  const address = eventStreams[0]?.endpoint.requestUri ?? '';
  const listening = [
    await openStream(service.url, key),
    await openStream(service.url, sdkKeys['production'] ?? ''),
    await openStream(service.url, '', { path: address }),
  ];
  expect(listening.map(({ status }) => status)).toEqual([200, 200, 200]);

  // A webhook: its secret, and the path of its address, which is one as well; nobody listens there.
  const url = 'https://localhost:1/between-us';
  const webhook = await admin.must('POST', '/projects/default/webhooks', { key: 'chat', url });
  await admin.must('POST', '/projects/default/webhooks/chat/test', {});
  await until(() => service.output().includes('webhook failed'), 'the message has been tried');

  // Refused, mistaken and foreign ones, and tokens where none belong.
  const guess = `fledge_admin_${'0'.repeat(38)}`;
  expect((await new ServiceClient(service.url, guess).ask('GET', '/projects')).status).toBe(401);
  expect((await new ServiceClient(service.url, key).ask('GET', '/projects')).status).toBe(403);
  for (const path of [`/projects?token=${adminToken}`, `/projects/${adminToken}`, `/projects/default/flags?q=${key}`]) {
    expect((await admin.ask('GET', path)).status).toBeLessThan(500);
  }
  expect((await admin.ask('POST', '/projects', { key: adminToken, token: key })).status).toBe(422);
  expect((await admin.ask('POST', '/projects', { key: 'x' }, { 'idempotency-key': adminToken })).status).toBe(201);
  await admin.must('DELETE', `/tokens/${id}`);
  await listening[0]?.end();
  for (const stream of listening) stream.close();
  await until(() => service.output().includes('"path":"/api/v1/tokens/'), 'the last requests are logged');
  await service.stop();

  const printed = service.output();
  expect(printed).toContain('"path":"/sdk/v1/stream"');
  expect(printed.split('\n').filter((line) => SECRET.test(line) || line.includes('token='))).toEqual([]);
  const shown = [client.body.token, webhook.body.secret, 'between-us'].map(String);
  for (const secret of [adminToken, key, guess, ...shown, ...Object.values(sdkKeys)]) {
    expect(printed).not.toContain(secret);
  }
  expect(printed).not.toMatch(/postgres(?:ql)?:\/\/[^\s/]*:[^\s/]*@/);
});
