import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, targetingPath, type TestApi } from '../support/api.js';

const SINGLE = '/ofrep/v1/evaluate/flags/new-checkout';
const BULK = '/ofrep/v1/evaluate/flags';

let api: TestApi;
let key: string;

beforeAll(async () => {
  api = await startApi();
  key = await api.sdkKey();
  await api.admin.post('/projects/default/flags', { key: 'new-checkout', type: 'boolean' }).expect(201);
  await api.admin.post(`${targetingPath('new-checkout')}/percentage`, { percentage: 25 }).expect(200);
});
afterAll(() => api.stop());

describe('the OpenFeature Remote Evaluation Protocol', () => {
  it('evaluates one flag with status 200', async () => {
    const { body } = await api
      .as(key)
      .post(SINGLE, { context: { targetingKey: 'user-0' } })
      .expect(200);
    expect(body).toMatchObject({ key: 'new-checkout', value: true, variant: 'on', reason: 'TARGETING_MATCH' });
  });

  it('takes the key as X-API-Key too, and a context without targeting key', async () => {
    const { body } = await api.as(undefined).post(SINGLE, { context: {} }).set('x-api-key', key).expect(200);
    expect(body).toMatchObject({ value: false, variant: 'off' });
  });

  it('answers what it cannot evaluate with the key and an error code', async () => {
    const missing = await api.as(key).post(`${BULK}/nope`, { context: {} }).expect(404);
    expect(missing.body).toMatchObject({ key: 'nope', errorCode: 'FLAG_NOT_FOUND' });
    const context = await api.as(key).post(SINGLE, { context: [] }).expect(400);
    expect(context.body).toMatchObject({ key: 'new-checkout', errorCode: 'INVALID_CONTEXT' });
    const text = await api.as(key).post(SINGLE).set('content-type', 'application/json').send('{').expect(400);
    expect(text.body).toMatchObject({ key: 'new-checkout', errorCode: 'PARSE_ERROR' });
  });

  it('answers 401 without a body when the key is missing or refused', async () => {
    const answer = await api.as(undefined).post(BULK, { context: {} }).expect(401);
    expect(answer.text).toBe('');
  });

  it('answers 304 to who has the evaluation already, and anew after a change', async () => {
    const context = { context: { targetingKey: 'user-0' } };
    const first = await api.as(key).post(BULK, context).expect(200);
    const etag = first.headers['etag'] ?? '';
    expect(first.body).toMatchObject({ flags: [{ key: 'new-checkout', value: true }] });
    await api.as(key).post(BULK, context).set('if-none-match', etag).expect(304);
    await api.admin.post(`${targetingPath('new-checkout')}/disable`).expect(200);
    await expect
      .poll(async () => (await api.as(key).post(BULK, context).set('if-none-match', etag)).body as unknown)
      .toMatchObject({ flags: [{ key: 'new-checkout', value: false, reason: 'DISABLED' }] });
  });

  it('lets browsers ask from the origins of a client key alone', async () => {
    const made = await api.admin
      .post('/tokens', {
        name: 'shop',
        kind: 'client',
        project: 'default',
        environment: 'production',
        allowedOrigins: ['https://shop.example'],
      })
      .expect(201);
    const client = api.as((made.body as { token: string }).token);
    const allowed = await client.post(BULK, { context: {} }).set('origin', 'https://shop.example').expect(200);
    expect(allowed.headers['access-control-allow-origin']).toBe('https://shop.example');
    await client.post(BULK, { context: {} }).set('origin', 'https://other.example').expect(403);
    await client.get('/sdk/v1/snapshot').expect(403);
  });
});
