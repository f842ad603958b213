import type { Response } from 'supertest';
import { openStream, type StreamReader } from './sse.js';
import { targetingPath, type Client, type TestApi } from './api.js';

export const BULK = '/ofrep/v1/evaluate/flags';
export const one = (flag: string): string => `${BULK}/${encodeURIComponent(flag)}`;

export type Evaluated = {
  readonly key: string;
  readonly value?: unknown;
  readonly variant?: string;
  readonly reason?: string;
  readonly errorCode?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
};

/** A key that may evaluate and nothing else, and its id. */
export async function clientKey(
  api: TestApi,
  more: object = {},
): Promise<{ readonly id: string; readonly key: string }> {
  const asked = { name: 'shop', kind: 'client', project: 'default', environment: 'production', ...more };
  const { id, token } = (await api.admin.post('/tokens', asked).expect(201)).body as { id: string; token: string };
  return { id, key: token };
}

/** Makes a flag and enables it in production; `targeting` replaces parts of what it begins with. */
export async function makeFlag(
  api: TestApi,
  flag: { readonly key: string; readonly [name: string]: unknown },
  targeting: object = {},
): Promise<void> {
  await api.admin.post('/projects/default/flags', { type: 'boolean', ...flag }).expect(201);
  await edit(api, flag.key, { enabled: true, ...targeting });
}

/** Replaces parts of a flag's targeting in production. */
export async function edit(api: TestApi, flag: string, targeting: object): Promise<void> {
  const { body } = await api.admin.get(targetingPath(flag)).expect(200);
  await api.admin.put(targetingPath(flag), { ...(body as object), ...targeting }).expect(200);
}

/** What all flags say to a context, by key. */
export async function askAll(client: Client, context: object = {}): Promise<Record<string, Evaluated>> {
  const { body } = await client.post(BULK, { context }).expect(200);
  return Object.fromEntries((body as { flags: Evaluated[] }).flags.map((flag) => [flag.key, flag]));
}

/** Opens the event stream that an answer of all flags names. */
export function listen(url: string, answer: Response, lastEventId?: string): Promise<StreamReader> {
  const { eventStreams } = answer.body as { eventStreams: [{ endpoint: { requestUri: string } }] };
  const path = eventStreams[0].endpoint.requestUri;
  return openStream(url, 'no key', lastEventId === undefined ? { path } : { path, lastEventId });
}
