import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLogger, createRuntime, readConfig, type Runtime } from '@fledge/api';
import { SERVICE } from '@fledge/store';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi } from '../support/api.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { startTcpProxy, through, type TcpProxy } from '../support/tcp-proxy.js';

let database: TestDatabase;
let network: TcpProxy;

beforeAll(async () => {
  database = await createDatabase();
  network = await startTcpProxy(database.url);
});

afterAll(async () => {
  await network.close();
  await database.drop();
});

function makeRuntime(url: string): Runtime {
  const config = readConfig({ DATABASE_URL: url, LOG_LEVEL: 'silent' });
  return createRuntime({ ...config, url, directUrl: url, log: createLogger(config, false) });
}

describe('a replica that is told to stop', () => {
  it('stops while it is still connecting to the database', async () => {
    for (let wait = 0; wait < 30; wait += 3) {
      const runtime = makeRuntime(database.url);
      await runtime.start();
      await sleep(wait);
      await expect(runtime.stop()).resolves.toBeUndefined();
    }
  });

  it('stops when the database does not answer', async () => {
    const runtime = makeRuntime(through(network, database.url));
    await runtime.start();
    const { token } = await runtime.stores.tokens.create(SERVICE, { name: 'mine', kind: 'management', role: 'viewer' });
    await runtime.authenticator.authenticate(token ?? '');
    network.stall();
    const begun = performance.now();
    await runtime.stop();
    expect(performance.now() - begun).toBeLessThan(8_000);
    network.reset();
    network.resume();
  });

  it('does not wait for a client that connected and never asked', async () => {
    const api = await startApi();
    const { hostname, port } = new URL(api.url);
    const client = connect(Number(port), hostname);
    await once(client, 'connect');
    const closed = once(client, 'close');
    await api.stop();
    await closed;
    expect(client.destroyed).toBe(true);
  });
});
