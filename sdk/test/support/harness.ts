import { createClient, type FledgeClient, type FledgeError, type ServiceOptions, type Snapshot } from '@fledge/sdk';
import { afterEach } from 'vitest';
import { FakeService, SDK_KEY, snapshotOf } from './fake-service.js';

const open: { close?: () => Promise<void>; stop?: () => Promise<void> }[] = [];

afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await (each.close?.() ?? each.stop?.());
});

/** A service that is stopped after the test. */
export const startService = async (
  snapshot: Snapshot = snapshotOf(1, { checkout: true }),
  port = 0,
): Promise<FakeService> => {
  const service = await FakeService.start(snapshot, port);
  open.push(service);
  return service;
};

/** A client that is closed after the test, with quick and even retries. */
export const connect = (url: string, options: Partial<ServiceOptions> = {}): FledgeClient => {
  const client = createClient({ url, sdkKey: SDK_KEY, random: () => 0.05, ...options });
  open.push(client);
  return client;
};

/** Collects trouble. */
export const collector = (): { readonly errors: FledgeError[]; readonly onError: (error: FledgeError) => void } => {
  const errors: FledgeError[] = [];
  return { errors, onError: (error) => void errors.push(error) };
};

/** What a caller without types may pass for anything. */
export function untyped(value: unknown): never;
export function untyped(value: unknown): unknown {
  return value;
}

/** A port of this machine on which nothing listens. */
export const unusedPort = async (): Promise<number> => {
  const service = await FakeService.start(snapshotOf(1, {}));
  const { port } = service;
  await service.stop();
  return port;
};
