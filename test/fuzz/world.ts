import { ServiceClient } from '../support/service-client.js';
import type { Ids } from './requests.js';

export type World = {
  /** Tokens of every kind and role, good and bad; the first may do everything, the second is an SDK key. */
  readonly tokens: readonly string[];
  readonly ids: Ids;
};

/** Makes what the requests name, as far as earlier requests have not made it or have removed it. */
export async function prepareWorld(url: string, adminToken: string): Promise<World> {
  const admin = new ServiceClient(url, adminToken);
  for (const [method, path, body] of THINGS) await admin.ask(method, path, body);
  const tokens = await made(admin, ...TOKENS.map((token): [string, object] => ['/tokens', { name: 'fuzz', ...token }]));
  const rollouts = await made(admin, [`${PLACE}/rollouts`, ROLLOUT]);
  const changes = await listed(admin, '/changes?limit=20');
  const deliveries = await listed(admin, `${PROJECT}/webhooks/chat/deliveries`);
  return {
    tokens: [adminToken, ...tokens.map(({ token = '' }) => token), `fledge_admin_${'0'.repeat(38)}`, 'ä', ''],
    ids: {
      id: tokens.map(({ id }) => id),
      rollout: rollouts.map(({ id }) => id),
      change: changes.map(({ id }) => id),
      token: await streamTokens(url, tokens[0]?.token ?? ''),
      delivery: deliveries.map(({ id }) => id),
    },
  };
}

const PROJECT = '/projects/default';
const PLACE = `${PROJECT}/environments/production`;

const THINGS: readonly (readonly [method: string, path: string, body: object])[] = [
  ['POST', '/projects', { key: 'default' }],
  ['POST', `${PROJECT}/environments`, { key: 'development' }],
  ['POST', `${PROJECT}/environments`, { key: 'production' }],
  // Or nothing could be changed there without a comment, nor deleted, once a request has protected it.
  ['PATCH', PLACE, { protected: false, comment: 'so that requests get further' }],
  ...['new-checkout', 'payments'].flatMap((key) => [
    ['POST', `${PROJECT}/flags`, { key, type: 'boolean' }] as const,
    ['POST', `${PROJECT}/flags/${key}/restore`, {}] as const,
  ]),
  ['POST', `${PROJECT}/flags`, { key: 'banner', type: 'string', variants: { plain: 'Hello', loud: 'HELLO' } }],
  ...['staff', 'beta'].map((key) => ['POST', `${PROJECT}/cohorts`, { key }] as const),
  ['POST', `${PROJECT}/rollout-plans`, { key: 'ten-minutes', plan: { stages: [{ percentage: 100 }], guardrails: [] } }],
  // Nobody answers there.
  ['POST', `${PROJECT}/webhooks`, { key: 'chat', url: 'https://hooks.invalid/fledge' }],
  ['POST', `${PROJECT}/webhooks/chat/test`, {}],
];

const TOKENS: readonly object[] = [
  { kind: 'sdk', project: 'default', environment: 'production' },
  ...['editor', 'operator', 'viewer'].map((role) => ({ kind: 'management', role })),
  { kind: 'management', role: 'admin', project: 'default', environments: ['production'] },
  { kind: 'client', project: 'default', environment: 'production', allowedOrigins: ['https://shop.example'] },
  { kind: 'sdk', project: 'default', environment: 'production', tags: ['payments'] },
];

/** Its first step waits for somebody's approval. */
const ROLLOUT = {
  // The flag that most requests are about must be open to edits.
  flag: 'payments',
  canary: 'on',
  baseline: 'off',
  audience: [],
  enable: true,
  supersede: true,
  plan: {
    stages: [
      { percentage: 10, minBake: '0s', minSamples: { requests: 0, units: 0 }, gates: [{ type: 'approval' }] },
      { percentage: 100 },
    ],
    guardrails: [],
  },
};

/** What opens a stream of remote evaluation: it comes with the answer of all flags. */
async function streamTokens(url: string, key: string): Promise<string[]> {
  const { status, body } = await new ServiceClient(url, key).ask('POST', '/ofrep/v1/evaluate/flags', { context: {} });
  const streams = status === 200 ? (body as { eventStreams: { endpoint: { requestUri: string } }[] }).eventStreams : [];
  return streams.map(({ endpoint }) => new URL(endpoint.requestUri, url).searchParams.get('token') ?? '');
}

/** What a list holds; of one that is not there nothing. */
async function listed(admin: ServiceClient, path: string): Promise<{ id: string }[]> {
  const { status, body } = await admin.ask('GET', path);
  return status === 200 ? (body as { items: { id: string }[] }).items : [];
}

/** What was made; what could not be is left out. */
async function made(
  admin: ServiceClient,
  ...asked: readonly [path: string, body: object][]
): Promise<{ id: string; token?: string }[]> {
  const answers = await Promise.all(asked.map(([path, body]) => admin.ask('POST', path, body)));
  return answers.filter(({ status }) => status === 201).map(({ body }) => body as { id: string; token?: string });
}
