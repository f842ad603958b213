import { readFile } from 'node:fs/promises';
import { openApiDocument } from '@fledge/api';
import { createConfig, lint } from '@redocly/openapi-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type TestApi } from '../support/api.js';
import { sql } from '../support/sql.js';

const COMMITTED = new URL('../../docs/openapi.json', import.meta.url);

type Operation = {
  readonly summary?: string;
  readonly parameters?: readonly { readonly name: string; readonly schema?: { readonly example?: unknown } }[];
  readonly requestBody?: {
    readonly content: { readonly 'application/json': { readonly examples: Record<string, { value: object }> } };
  };
};
/** An example's method, its path in the document, where it is sent, and with which status it is answered. */
type Sent = [
  method: 'post' | 'put' | 'patch',
  template: string,
  path: string | (() => Promise<string>),
  ...statuses: number[],
];
type Document = { readonly paths: Record<string, Record<string, Operation>> };

const ifMatchOf = (operation: Operation | undefined): unknown =>
  operation?.parameters?.find(({ name }) => name === 'If-Match')?.schema?.example;

/** Signing in only ever redirects; health and metrics refuse nobody. */
const MEANT = [
  'operation-2xx-response at #/paths/~1login/get/responses',
  'operation-2xx-response at #/paths/~1login~1callback/get/responses',
  'operation-4xx-response at #/paths/~1health~1live/get/responses',
  'operation-4xx-response at #/paths/~1health~1ready/get/responses',
  'operation-4xx-response at #/paths/~1metrics/get/responses',
];

let api: TestApi;
let document: Document;

beforeAll(async () => {
  api = await startApi({ FLEDGE_RECONCILER: 'off' });
  document = JSON.parse(await readFile(COMMITTED, 'utf8')) as Document;
});
afterAll(() => api.stop({ undoing: true }));

describe('the committed OpenAPI document', () => {
  it('is what the application says of itself (after a change: npm run openapi)', () => {
    expect(JSON.parse(JSON.stringify(openApiDocument(api.app)))).toEqual(document);
  });

  it('is what the server serves', async () => {
    const answer = await api.as(undefined).get('/openapi.json').expect(200);
    expect(answer.body).toEqual(document);
  });

  it('is clean under a linter of OpenAPI documents', async () => {
    const config = await createConfig({ extends: ['recommended'] });
    const problems = await lint({ ref: COMMITTED.pathname, config });
    expect(problems.map(({ ruleId, location }) => `${ruleId} at ${location[0]?.pointer ?? ''}`)).toEqual(MEANT);
  });

  it('has a summary for every operation and an example for every body', () => {
    const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ name: `${method} ${path}`, ...operation })),
    );
    expect(operations.length).toBeGreaterThan(30);
    for (const { name, summary, requestBody } of operations) {
      expect(summary, name).toBeTruthy();
      if (requestBody === undefined) continue;
      expect(Object.keys(requestBody.content['application/json'].examples ?? {}), name).not.toHaveLength(0);
    }
  });

  it('brings examples that work when they are sent as they are on a fresh start', async () => {
    const flag = '/api/v1/projects/default/environments/production/flags/new-checkout';
    const old = await api.admin.post('/tokens', { name: 'old', kind: 'management' }).expect(201);
    await api.admin.post('/projects', { key: 'undone' }).expect(201);
    const changes = '/projects/undone/changes';
    const made = (await api.admin.get(`${changes}?limit=1`).expect(200)).body.items[0].id as string;
    await api.admin.patch('/projects/undone', { name: 'Another' }).expect(200);
    const renamed = (await api.admin.get(`${changes}?limit=1`).expect(200)).body.items[0].id as string;
    const rollouts = '/api/v1/projects/{project}/environments/{environment}/rollouts';
    const place = '/api/v1/projects/default/environments/production/rollouts';
    const command = (name: string): Sent => [
      'post',
      `${rollouts}/{rollout}/${name}`,
      `${place}/key:pipeline-42/${name}`,
      name === 'retry' ? 201 : 200,
    ];
    const ofTheRetry = async (): Promise<string> => {
      const { body } = await api.admin.get(`${place}?state=running`);
      return (body as { items: { id: string }[] }).items[0]?.id ?? '';
    };
    const webhooks = '/api/v1/projects/{project}/webhooks';
    const ofTheDelivery = async (): Promise<string> => {
      await sql(api.databaseUrl, `UPDATE webhook_delivery SET state = 'failed'`);
      const { body } = await api.admin.get('/projects/default/webhooks/chat/deliveries').expect(200);
      return `/api/v1/projects/default/webhooks/chat/deliveries/${(body as { items: { id: string }[] }).items[0]?.id}/retry`;
    };
    const order: Sent[] = [
      ['post', '/api/v1/projects', '/api/v1/projects', 201],
      ['patch', '/api/v1/projects/{project}', '/api/v1/projects/default', 200],
      ['post', '/api/v1/projects/{project}/flags', '/api/v1/projects/default/flags', 201],
      ['post', '/api/v1/projects/{project}/cohorts', '/api/v1/projects/default/cohorts', 201],
      ['put', '/api/v1/projects/{project}/cohorts/{cohort}', '/api/v1/projects/default/cohorts/staff', 200],
      [
        'post',
        '/api/v1/projects/{project}/cohorts/{cohort}/members',
        '/api/v1/projects/default/cohorts/staff/members',
        200,
      ],
      ['put', '/api/v1/projects/{project}/environments/{environment}/flags/{flag}', flag, 200],
      ['post', '/api/v1/projects/{project}/environments/{environment}/flags/{flag}/disable', `${flag}/disable`, 200],
      ['post', '/api/v1/projects/{project}/environments/{environment}/flags/{flag}/enable', `${flag}/enable`, 200],
      [
        'post',
        '/api/v1/projects/{project}/environments/{environment}/flags/{flag}/percentage',
        `${flag}/percentage`,
        200,
      ],
      ['post', '/api/v1/projects/{project}/environments/{environment}/flags/{flag}/copy', `${flag}/copy`, 200],
      ['post', '/api/v1/projects/{project}/environments/{environment}/flags/{flag}/preview', `${flag}/preview`, 200],
      ['post', '/api/v1/projects/{project}/environments/{environment}/flags/{flag}/explain', `${flag}/explain`, 200],
      ['post', '/api/v1/projects/{project}/rollout-plans', '/api/v1/projects/default/rollout-plans', 201],
      [
        'put',
        '/api/v1/projects/{project}/rollout-plans/{plan}',
        '/api/v1/projects/default/rollout-plans/ten-minutes',
        200,
      ],
      ['post', webhooks, '/api/v1/projects/default/webhooks', 201],
      ['patch', `${webhooks}/{webhook}`, '/api/v1/projects/default/webhooks/chat', 200],
      ['post', `${webhooks}/{webhook}/rotate`, '/api/v1/projects/default/webhooks/chat/rotate', 200],
      ['post', `${webhooks}/{webhook}/test`, '/api/v1/projects/default/webhooks/chat/test', 202],
      ['post', `${webhooks}/{webhook}/deliveries/{delivery}/retry`, ofTheDelivery, 202],
      ['patch', '/api/v1/projects/{project}/flags/{flag}', '/api/v1/projects/default/flags/new-checkout', 200],
      [
        'post',
        '/api/v1/projects/{project}/flags/{flag}/archive',
        '/api/v1/projects/default/flags/new-checkout/archive',
        200,
      ],
      [
        'post',
        '/api/v1/projects/{project}/flags/{flag}/restore',
        '/api/v1/projects/default/flags/new-checkout/restore',
        200,
      ],
      ['post', rollouts, place, 200, 201],
      ...['acknowledge', 'jump', 'approve', 'promote', 'pause', 'resume', 'verdicts'].map(command),
      ['post', `${rollouts}/pause-all`, `${place}/pause-all`, 200],
      ...['rollback', 'retry'].map(command),
      ['post', `${rollouts}/{rollout}/cancel`, async () => `${place}/${await ofTheRetry()}/cancel`, 200],
      ['post', '/api/v1/projects/{project}/environments', '/api/v1/projects/default/environments', 201],
      ['post', '/sdk/v1/outcomes', '/sdk/v1/outcomes', 202],
      ['post', '/sdk/v1/exposures', '/sdk/v1/exposures', 202],
      ['post', '/ofrep/v1/evaluate/flags', '/ofrep/v1/evaluate/flags', 200],
      ['post', '/ofrep/v1/evaluate/flags/{key}', '/ofrep/v1/evaluate/flags/new-checkout', 200],
      ['post', '/api/v1/tokens', '/api/v1/tokens', 201],
      ['post', '/api/v1/tokens/{id}/rotate', `/api/v1/tokens/${old.body.id}/rotate`, 201],
      ['post', '/api/v1/projects/{project}/changes/{change}/revert', `/api/v1${changes}/${renamed}/revert`, 200],
      ['post', '/api/v1/projects/{project}/import', '/api/v1/projects/imported/import', 200],
      ['post', '/api/v1/changes/{change}/revert', `/api/v1/changes/${made}/revert`, 200],
      [
        'post',
        '/api/v1/projects/{project}/environments/{environment}/restore',
        '/api/v1/projects/default/environments/production/restore',
        200,
      ],
      // The last: from here on production asks for a comment.
      [
        'patch',
        '/api/v1/projects/{project}/environments/{environment}',
        '/api/v1/projects/default/environments/production',
        200,
      ],
    ];
    const withBody = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).flatMap(([method, { requestBody }]) =>
        requestBody === undefined ? [] : [`${method} ${path}`],
      ),
    );
    expect(order.map(([method, template]) => `${method} ${template}`).toSorted()).toEqual(withBody.toSorted());
    const sdk = api.as(await api.sdkKey());
    for (const [method, template, where, ...statuses] of order) {
      const path = typeof where === 'string' ? where : await where();
      const examples = document.paths[template]?.[method]?.requestBody?.content['application/json'].examples ?? {};
      for (const [name, { value }] of Object.entries(examples)) {
        const caller = /^\/(?:ofrep|sdk)\//.test(path) ? sdk : api.admin;
        const request = caller[method](path, value);
        // The version of an example is in its body, or any will do.
        const answer = await (ifMatchOf(document.paths[template]?.[method]) === '*'
          ? request.set('if-match', '*')
          : request);
        expect(statuses, `${method} ${path} "${name}": ${JSON.stringify(answer.body)}`).toContain(answer.status);
      }
    }
  });
});
