import {
  OpenFeature,
  ProviderEvents,
  ServerProviderStatus,
  type Client,
  type EventDetails,
} from '@openfeature/server-sdk';
import { createClient, type FledgeClient } from '@fledge/sdk';
import { FledgeProvider } from '@fledge/sdk/openfeature';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { snapshotOf, switched, until } from './support/fake-service.js';
import { connect, startService, unusedPort } from './support/harness.js';
import { report, ROLLOUT, watched } from './support/reports.js';

const EVENTS = [ProviderEvents.Ready, ProviderEvents.Error, ProviderEvents.Stale, ProviderEvents.ConfigurationChanged];

let tests = 0;
let client: Client;
let heard: { event: ProviderEvents; details: EventDetails | undefined }[];

beforeEach(() => {
  heard = [];
  client = OpenFeature.getClient(`test-${++tests}`);
});

afterEach(() => OpenFeature.clearProviders());

/** Sets the provider for this test and writes down what handlers hear from then on. */
const provide = async (fledge: FledgeClient, readyTimeoutMs = 2_000): Promise<void> => {
  const set = OpenFeature.setProviderAndWait(`test-${tests}`, new FledgeProvider(fledge, { readyTimeoutMs }));
  for (const event of EVENTS) client.addHandler(event, (details) => void heard.push({ event, details }));
  await set;
};

const snapshot = snapshotOf(3, {
  checkout: switched('checkout', true, { metadata: { team: 'payments', size: 3, core: true } }),
  banner: switched('banner', true, { type: 'string', variants: { on: 'Hello', off: 'Bye' } }),
  size: switched('size', true, { type: 'number', variants: { on: 20, off: 0 } }),
  limits: switched('limits', true, { type: 'object', variants: { on: { max: 3 }, off: {} } }),
  disabled: switched('disabled', true, { enabled: false }),
  bare: switched('bare', true, { enabled: false, offVariant: null }),
  dated: switched('dated', false, {
    rules: [
      {
        id: 'early',
        conditions: [{ attribute: 'user.since', operator: 'before', values: ['2026-01-01T00:00:00Z'] }],
        serve: { variant: 'on' },
      },
    ],
  }),
  mine: switched('mine', false, {
    rules: [
      {
        id: 'me',
        conditions: [{ attribute: 'targetingKey', operator: 'in', values: ['me'] }],
        serve: { variant: 'on' },
      },
    ],
  }),
});

describe('an OpenFeature client over Fledge', () => {
  it('gets values with variant, reason and metadata', async () => {
    await provide(createClient({ snapshot }));
    expect(await client.getBooleanDetails('checkout', false)).toEqual({
      flagKey: 'checkout',
      value: true,
      variant: 'on',
      reason: 'STATIC',
      flagMetadata: { team: 'payments', size: 3, core: true, version: 3 },
    });
    expect(await client.getStringValue('banner', '')).toBe('Hello');
    expect(await client.getNumberValue('size', 0)).toBe(20);
    expect(await client.getObjectValue('limits', {})).toEqual({ max: 3 });
    expect(await client.getBooleanDetails('disabled', true)).toMatchObject({
      value: false,
      variant: 'off',
      reason: 'DISABLED',
    });
  });

  it('gets its default with the error code that says why', async () => {
    await provide(createClient({ snapshot }));
    expect(await client.getBooleanDetails('nothing', true)).toMatchObject({
      value: true,
      reason: 'ERROR',
      errorCode: 'FLAG_NOT_FOUND',
    });
    expect(await client.getBooleanDetails('banner', true)).toMatchObject({
      value: true,
      reason: 'ERROR',
      errorCode: 'TYPE_MISMATCH',
    });
    expect(await client.getObjectDetails('banner', [1])).toMatchObject({
      value: [1],
      reason: 'ERROR',
      errorCode: 'TYPE_MISMATCH',
    });
    expect(await client.getObjectDetails('banner', 'text')).toMatchObject({
      value: 'text',
      errorCode: 'TYPE_MISMATCH',
    });
    expect(await client.getObjectDetails('limits', null)).toMatchObject({ value: { max: 3 }, variant: 'on' });
    const bare = await client.getBooleanDetails('bare', true);
    expect(bare).toMatchObject({ value: true, reason: 'DISABLED' });
    expect(bare).not.toHaveProperty('variant');
  });

  it('passes on the targeting key, nested attributes and dates', async () => {
    await provide(createClient({ snapshot }));
    expect(await client.getBooleanValue('mine', false, { targetingKey: 'me' })).toBe(true);
    expect(await client.getBooleanValue('mine', false, { targetingKey: 'you' })).toBe(false);
    expect(await client.getBooleanValue('dated', false, { user: { since: new Date('2025-05-05') } })).toBe(true);
    expect(await client.getBooleanValue('dated', false, { user: { since: new Date(Number.NaN) } })).toBe(false);
  });

  it('hears once that it is ready, of changes with their keys, and of an outage and its end', async () => {
    const service = await startService(snapshotOf(1, { checkout: true }));
    const { port } = service;
    const fledge = connect(service.url);
    await provide(fledge);
    await until(() => heard.length > 0);
    expect(heard.map(({ event }) => event)).toEqual([ProviderEvents.Ready]);
    service.change({ checkout: false });
    await until(() => heard.length > 1);
    expect(heard[1]).toMatchObject({
      event: ProviderEvents.ConfigurationChanged,
      details: { flagsChanged: ['checkout'] },
    });
    await service.stop();
    await until(() => client.providerStatus === ServerProviderStatus.STALE);
    expect(await client.getBooleanValue('checkout', true)).toBe(false);
    await startService(snapshotOf(2, { checkout: false }), port);
    await until(() => client.providerStatus === ServerProviderStatus.READY);
    await until(() => heard.length > 3);
    expect(heard.map(({ event }) => event).slice(2)).toEqual([ProviderEvents.Stale, ProviderEvents.Ready]);
  });

  it('is in error while there was never a snapshot, and recovers', async () => {
    const port = await unusedPort();
    await expect(provide(connect(`http://127.0.0.1:${port}`), 30)).rejects.toThrow('30 ms');
    expect(client.providerStatus).toBe(ServerProviderStatus.ERROR);
    expect(await client.getBooleanDetails('checkout', true)).toMatchObject({
      value: true,
      errorCode: 'PROVIDER_NOT_READY',
    });
    await startService(snapshotOf(1, { checkout: false }), port);
    await until(() => client.providerStatus === ServerProviderStatus.READY);
    expect(await client.getBooleanValue('checkout', true)).toBe(false);
  });

  it('is stale while it has but a snapshot from before and the service is away, and ready when that is back', async () => {
    const port = await unusedPort();
    await provide(connect(`http://127.0.0.1:${port}`, { bootstrap: snapshotOf(1, { checkout: true }) }));
    await until(() => client.providerStatus === ServerProviderStatus.STALE);
    expect(await client.getBooleanValue('checkout', false)).toBe(true);
    await startService(snapshotOf(2, { checkout: false }), port);
    await until(() => client.providerStatus === ServerProviderStatus.READY);
    expect(await client.getBooleanValue('checkout', true)).toBe(false);
    expect(heard.map(({ event }) => event).filter((event) => event !== ProviderEvents.ConfigurationChanged)).toEqual([
      ProviderEvents.Ready,
      ProviderEvents.Stale,
      ProviderEvents.Ready,
    ]);
  });

  it('is in error when its key is refused though it has a snapshot from before', async () => {
    const service = await startService(snapshotOf(1, { checkout: true }));
    service.key = 'another';
    await provide(connect(service.url, { bootstrap: snapshotOf(1, { checkout: true }) }));
    await until(() => client.providerStatus === ServerProviderStatus.ERROR);
    expect(heard.at(-1)).toMatchObject({ event: ProviderEvents.Error, details: { errorCode: 'GENERAL' } });
    expect(await client.getBooleanValue('checkout', false)).toBe(true);
  });

  it('is in error while the key is refused, and answers from the last snapshot', async () => {
    const service = await startService(snapshotOf(1, { checkout: true }));
    await provide(connect(service.url));
    service.key = 'another';
    service.drop();
    await until(() => client.providerStatus === ServerProviderStatus.ERROR);
    expect(await client.getBooleanValue('checkout', false)).toBe(true);
  });

  it('closes the Fledge client when the provider is closed', async () => {
    const fledge = createClient({ snapshot });
    await provide(fledge);
    await OpenFeature.clearProviders();
    expect(fledge.status.state).toBe('closed');
  });
});

describe('tracking', () => {
  const metrics = { errors: { count: 'request' as const }, checkout: { count: 'request' as const, over: 100 } };
  const flags = {
    one: watched({ metrics }, {}, 'one'),
    two: watched({ metrics, rollout: ROLLOUT.replace('0192', '0193') }, {}, 'two'),
    other: watched({ metrics: { errors: metrics.errors }, rollout: ROLLOUT.replace('0192', '0194') }, {}, 'other'),
  };

  it('adds to the metric of its name, of every flag watched by it or of the one that is named', async () => {
    const { client: fledge, outcomes } = await report(snapshotOf(1, flags));
    await provide(fledge);
    const context = { targetingKey: 'user-1' };
    client.track('checkout', context, { value: 120 });
    client.track('checkout', context, { value: 80, flag: 'two' });
    client.track('errors', context, { failed: true, flag: 'other' });
    client.track('errors', context, { flag: 'other' });
    client.track('something else', context);
    await fledge.flush();
    const counted = outcomes[0]?.items.map(({ rollout, metrics: told }) => [
      rollout.slice(0, 4),
      Object.entries(told).map(([name, { n, k }]) => `${name} ${k} of ${n}`),
    ]);
    expect(counted?.toSorted((a, b) => String(a).localeCompare(String(b)))).toEqual([
      ['0192', ['checkout 1 of 1']],
      ['0193', ['checkout 1 of 2']],
      ['0194', ['errors 1 of 2']],
    ]);
  });
});
