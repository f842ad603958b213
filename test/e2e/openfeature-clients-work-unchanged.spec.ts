import { OFREPApi } from '@openfeature/ofrep-core-current';
import { OFREPProvider } from '@openfeature/ofrep-provider';
import { OFREPWebProvider, type OFREPWebProviderOptions } from '@openfeature/ofrep-web-provider';
import * as server from '@openfeature/server-sdk';
import * as web from '@openfeature/web-sdk';
import { createClient } from '@fledge/sdk';
import { FledgeProvider } from '@fledge/sdk/openfeature';
import { EventSource } from 'eventsource';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { startApi, targetingPath, type TestApi } from '../support/api.js';
import { browserFetch } from '../support/browser-fetch.js';
import { clientKey, makeFlag } from '../support/remote-evaluation.js';

let api: TestApi;

const GERMANY = [{ attribute: 'country', operator: 'in', values: ['DE'] }];

beforeAll(async () => {
  api = await startApi();
  await makeFlag(
    api,
    { key: 'checkout' },
    { rules: [{ id: 'germany', conditions: GERMANY, serve: { variant: 'on' } }], fallthrough: { variant: 'off' } },
  );
  await makeFlag(api, { key: 'banner', type: 'string', variants: { plain: 'Hello', loud: 'HELLO' } });
  await makeFlag(api, { key: 'size', type: 'number', variants: { small: 20, large: 50 } });
  await makeFlag(api, { key: 'limits', type: 'object', variants: { few: { max: 3 }, many: { max: 30 } } });
  await makeFlag(api, { key: 'undecided' }, { enabled: false, offVariant: null });
  await makeFlag(api, { key: 'toggle' });
});
afterEach(async () => {
  await Promise.all([server.OpenFeature.clearProviders(), web.OpenFeature.clearProviders()]);
  await web.OpenFeature.clearContexts();
  vi.unstubAllGlobals();
});
afterAll(() => api.stop());

const toggle = (on: boolean) => api.admin.post(`${targetingPath('toggle')}/${on ? 'enable' : 'disable'}`).expect(200);

type Heard = { readonly event: string; readonly flagsChanged?: readonly string[] };
type Listener = (details?: { flagsChanged?: string[] }) => void;

const EVENTS = ['PROVIDER_READY', 'PROVIDER_ERROR', 'PROVIDER_STALE', 'PROVIDER_CONFIGURATION_CHANGED'];

/** Writes down what handlers of a client hear, once its provider was set: the one before may be ready already. */
function eavesdrop(addHandler: (event: never, listener: Listener) => void): readonly Heard[] {
  const heard: Heard[] = [];
  for (const event of EVENTS) {
    addHandler(event as never, (details) =>
      heard.push({ event, ...(details?.flagsChanged && { flagsChanged: details.flagsChanged }) }),
    );
  }
  return heard;
}

const changed = (...flagsChanged: string[]): object => ({ event: 'PROVIDER_CONFIGURATION_CHANGED', flagsChanged });

describe('the server SDK of OpenFeature', () => {
  const german = { targetingKey: 'user-7', country: 'DE' };

  /** What any provider over Fledge answers to it. */
  async function expectAnswers(client: server.Client): Promise<void> {
    expect(await client.getBooleanDetails('checkout', false, german)).toMatchObject({
      flagKey: 'checkout',
      value: true,
      variant: 'on',
      reason: 'TARGETING_MATCH',
      flagMetadata: { ruleId: 'germany' },
    });
    expect(await client.getBooleanValue('checkout', true, { country: 'FR' })).toBe(false);
    expect(await client.getStringValue('banner', '')).toBe('Hello');
    expect(await client.getNumberValue('size', 0)).toBe(20);
    expect(await client.getObjectValue('limits', {})).toEqual({ max: 3 });
    expect(await client.getStringDetails('checkout', 'mine')).toMatchObject({
      value: 'mine',
      reason: 'ERROR',
      errorCode: 'TYPE_MISMATCH',
    });
    expect(await client.getBooleanDetails('nope', true)).toMatchObject({
      value: true,
      reason: 'ERROR',
      errorCode: 'FLAG_NOT_FOUND',
    });
    expect(await client.getBooleanValue('undecided', true)).toBe(true);
  }

  it('decides in process with the provider of Fledge, and hears of changes once', async () => {
    const fledge = createClient({ url: api.url, sdkKey: await api.sdkKey() });
    const client = server.OpenFeature.getClient();
    const ready = server.OpenFeature.setProviderAndWait(new FledgeProvider(fledge));
    const heard = eavesdrop((...handler) => client.addHandler(...handler));
    await ready;
    await expectAnswers(client);
    expect(await client.getBooleanDetails('undecided', true)).toMatchObject({ value: true, reason: 'DISABLED' });
    await toggle(false);
    await expect.poll(() => heard.length).toBe(2);
    expect(heard).toEqual([{ event: 'PROVIDER_READY' }, changed('toggle')]);
    expect(await client.getBooleanValue('toggle', true)).toBe(false);
    await toggle(true);
    await expect.poll(() => heard).toContainEqual(changed('toggle'));
    await server.OpenFeature.clearProviders();
    expect(fledge.status.state).toBe('closed');
  });

  it('asks the service with the official provider, by Bearer or X-API-Key', async () => {
    const { key } = await clientKey(api);
    for (const headers of [{ authorization: `Bearer ${key}` }, { 'X-API-Key': key }]) {
      await server.OpenFeature.setProviderAndWait(
        new OFREPProvider({ baseUrl: api.url, headers: Object.entries(headers) }),
      );
      await expectAnswers(server.OpenFeature.getClient());
    }
  });

  it('gets its default when the key is refused', async () => {
    await server.OpenFeature.setProviderAndWait(
      new OFREPProvider({ baseUrl: api.url, headers: [['authorization', 'Bearer fledge_client_unknown']] }),
    );
    expect(await server.OpenFeature.getClient().getBooleanDetails('checkout', true, german)).toMatchObject({
      value: true,
      reason: 'ERROR',
    });
  });

  it('pauses for as long as it is told when it asks too often', async () => {
    const strict = await startApi({ FLEDGE_LIMIT_OFREP_PER_SECOND: '1' });
    const headers: [string, string][] = [['authorization', `Bearer ${(await clientKey(strict)).key}`]];
    await makeFlag(strict, { key: 'toggle' });
    let requests = 0;
    const fetchImplementation: typeof fetch = (...request) => {
      requests += 1;
      return fetch(...request);
    };
    await server.OpenFeature.setProviderAndWait(
      new OFREPProvider({ baseUrl: strict.url, headers, fetchImplementation }),
    );
    const client = server.OpenFeature.getClient();
    const ask = () => client.getBooleanDetails('toggle', false);
    await expect.poll(async () => (await ask()).errorMessage, { interval: 1 }).toContain('TooManyRequests');
    const before = requests;
    expect(await ask()).toMatchObject({ value: false, reason: 'ERROR' });
    expect(requests).toBe(before);
    await expect.poll(ask).toMatchObject({ value: true, reason: 'STATIC' });
    await strict.stop();
  });
});

describe('the newest client of the protocol', () => {
  it('understands answers, refusals and values left to the caller', async () => {
    const { key } = await clientKey(api);
    const client = new OFREPApi({ baseUrl: api.url, headers: [['authorization', `Bearer ${key}`]] });
    const ask = async (flag: string, context: object = {}) =>
      (await client.postEvaluateFlag(flag, { context: context as never })).value;
    expect(await ask('checkout', { country: 'DE' })).toMatchObject({ value: true, reason: 'TARGETING_MATCH' });
    expect(await ask('undecided')).toEqual({
      key: 'undecided',
      reason: 'DISABLED',
      metadata: { version: expect.any(Number) as number },
    });
    expect(await ask('nope')).toMatchObject({ key: 'nope', errorCode: 'FLAG_NOT_FOUND' });
    expect(await ask('checkout', { targetingKey: 7 })).toMatchObject({ key: 'checkout', errorCode: 'INVALID_CONTEXT' });
    const stranger = new OFREPApi({ baseUrl: api.url });
    await expect(stranger.postEvaluateFlag('checkout')).rejects.toThrow('unauthorized');
    const trespasser = new OFREPApi({ baseUrl: api.url, headers: [['authorization', `Bearer ${await management()}`]] });
    await expect(trespasser.postEvaluateFlag('checkout')).rejects.toThrow('forbidden');
  });
});

/** A token that may not evaluate. */
async function management(): Promise<string> {
  const made = await api.admin.post('/tokens', { name: 'bot', kind: 'management', role: 'viewer', project: 'default' });
  return (made.body as { token: string }).token;
}

describe('the web SDK of OpenFeature with its official provider', () => {
  const ORIGIN = 'https://shop.example';

  /** The SDK as a page of the shop has it, what it hears and what it asks. Its provider is set; `ready` says when it is. */
  async function page(
    { origin = ORIGIN, ...options }: Partial<OFREPWebProviderOptions> & { origin?: string } = {},
    credential?: string,
  ) {
    const key = credential ?? (await clientKey(api, { allowedOrigins: [ORIGIN] })).key;
    const { fetch: fetchImplementation, exchanges } = browserFetch(origin);
    const headers: [string, string][] = [['authorization', `Bearer ${key}`]];
    const provider = new OFREPWebProvider({
      baseUrl: api.url,
      headers,
      fetchImplementation,
      cacheMode: 'disabled',
      ...options,
    }) as web.Provider;
    const client = web.OpenFeature.getClient();
    const ready = web.OpenFeature.setProviderAndWait(provider);
    const heard = eavesdrop((...handler) => client.addHandler(...handler));
    return { client, ready, heard, exchanges };
  }

  /** The official client of event streams for Node, as a page of the shop has it. */
  function stubEventSource(): void {
    vi.stubGlobal(
      'EventSource',
      class extends EventSource {
        constructor(url: string | URL) {
          super(url, { fetch: browserStream });
        }
      },
    );
  }
  const browserStream: typeof fetch = (input, init) =>
    fetch(input, { ...init, headers: { ...(init?.headers as object), origin: ORIGIN } });

  const posts = (exchanges: readonly { method: string; status: number }[]): number[] =>
    exchanges.filter(({ method }) => method === 'POST').map(({ status }) => status);

  it('decides for one user, and anew when the user changes', async () => {
    await web.OpenFeature.setContext({ targetingKey: 'user-7', country: 'DE' });
    const { client, ready } = await page();
    await ready;
    expect(client.getBooleanDetails('checkout', false)).toMatchObject({
      value: true,
      variant: 'on',
      reason: 'TARGETING_MATCH',
      flagMetadata: { ruleId: 'germany' },
    });
    expect(client.getStringValue('banner', '')).toBe('Hello');
    expect(client.getNumberValue('size', 0)).toBe(20);
    expect(client.getObjectValue('limits', {})).toEqual({ max: 3 });
    expect(client.getStringDetails('size', 'mine')).toMatchObject({ value: 'mine', errorCode: 'TYPE_MISMATCH' });
    expect(client.getBooleanDetails('nope', true)).toMatchObject({ value: true, errorCode: 'FLAG_NOT_FOUND' });
    expect(client.getBooleanDetails('undecided', true)).toMatchObject({ value: true, reason: 'DISABLED' });
    await web.OpenFeature.setContext({ targetingKey: 'user-7', country: 'FR' });
    expect(client.getBooleanDetails('checkout', true)).toMatchObject({ value: false, reason: 'DEFAULT' });
  });

  it('polls, is told that nothing changed, and hears of what did', async () => {
    const { ready, client, heard, exchanges } = await page({ changeDetection: 'polling', pollInterval: 20 });
    await ready;
    await expect.poll(() => posts(exchanges).filter((status) => status === 304).length).toBeGreaterThan(1);
    expect(heard).toEqual([{ event: 'PROVIDER_READY' }]);
    await toggle(false);
    await expect.poll(() => heard).toContainEqual(changed('toggle'));
    expect(client.getBooleanValue('toggle', true)).toBe(false);
    expect(posts(exchanges).filter((status) => status === 200)).toHaveLength(2);
    await toggle(true);
    await expect.poll(() => client.getBooleanValue('toggle', false)).toBe(true);
  });

  it('listens to events instead, and asks when they tell it to', async () => {
    stubEventSource();
    const { ready, client, heard, exchanges } = await page();
    await ready;
    // The first event comes on connecting; what it makes the client ask for is what it has.
    await expect.poll(() => posts(exchanges)).toEqual([200, 304]);
    for (const on of [false, true]) {
      const before = heard.length;
      await toggle(on);
      await expect.poll(() => heard.slice(before)).toEqual([changed('toggle')]);
      expect(client.getBooleanValue('toggle', !on)).toBe(on);
    }
    expect(posts(exchanges)).toEqual([200, 304, 200, 200]);
    expect(exchanges.at(-1)?.path).toMatch(/flagConfigEtag=\d+-/);
    expect(heard.filter(({ event }) => event !== 'PROVIDER_CONFIGURATION_CHANGED')).toEqual([
      { event: 'PROVIDER_READY' },
    ]);
  });

  it('finds the events again after the replica has gone and come back', async () => {
    stubEventSource();
    const { ready, client, heard } = await page();
    await ready;
    await expect.poll(() => api.runtime.streams.size).toBe(1);
    // What is lost on the way is a connection, not the stream: the client opens it again by itself.
    api.app.getHttpServer().closeAllConnections();
    await expect.poll(() => heard.map(({ event }) => event)).toContain('PROVIDER_STALE');
    await toggle(false);
    await expect.poll(() => client.getBooleanValue('toggle', true)).toBe(false);
    await toggle(true);
    await expect.poll(() => client.getBooleanValue('toggle', false)).toBe(true);
  });

  it('is in a fatal state when its key is unknown, and cannot read what is not for its origin', async () => {
    const unknown = await page({}, 'fledge_client_unknown');
    await expect(unknown.ready).rejects.toThrow('Initialization failed');
    expect(unknown.client.providerStatus).toBe('FATAL');
    await web.OpenFeature.clearProviders();
    const foreign = await page({ origin: 'https://other.example' });
    await expect(foreign.ready).rejects.toThrow('The OFREP request failed');
    expect(posts(foreign.exchanges)).toEqual([403]);
    expect(foreign.client.getBooleanDetails('checkout', true)).toMatchObject({ value: true, reason: 'ERROR' });
  });

  it('asks no more until it may when it has asked too often', async () => {
    const strict = await startApi({ FLEDGE_LIMIT_OFREP_PER_SECOND: '1' });
    const { ready, exchanges } = await page(
      { baseUrl: strict.url, changeDetection: 'polling', pollInterval: 10 },
      (await clientKey(strict)).key,
    );
    await ready;
    await expect.poll(() => posts(exchanges)).toContain(429);
    await expect.poll(() => posts(exchanges).slice(posts(exchanges).indexOf(429))).toContain(304);
    // A hundred polls a second, of which it sends no more than it may.
    expect(posts(exchanges).length).toBeLessThan(12);
    await strict.stop();
  });
});
