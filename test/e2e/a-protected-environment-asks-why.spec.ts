import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, targetingPath, type Client, type TestApi } from '../support/api.js';
import { expectProblem } from '../support/problem.js';

const ENVIRONMENT = '/projects/default/environments/production';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
  await api.admin.post('/projects/default/cohorts', { key: 'staff', included: ['a'] }).expect(201);
  await api.admin.post('/projects/default/flags', { key: 'checkout', type: 'boolean' }).expect(201);
  await api.admin.patch(ENVIRONMENT, { protected: true }).expect(200);
});
afterAll(() => api.stop({ undoing: true }));

const newest = async () => (await api.admin.get('/changes?limit=1').expect(200)).body.items[0] as { id: string };

describe('a protected environment', () => {
  it('says that it is protected, and has it in the log', async () => {
    expect((await api.admin.get(ENVIRONMENT).expect(200)).body).toMatchObject({ protected: true, version: 2 });
    const { items } = (await api.admin.get('/changes?action=environment.updated').expect(200)).body;
    expect(items).toMatchObject([{ before: { protected: false }, after: { protected: true } }]);
  });

  it('is changed by no route without a comment, and by each with one', async () => {
    const naming = { rules: [{ id: 'staff', conditions: [{ cohorts: ['staff'] }], serve: { variant: 'on' } }] };
    const document = { enabled: true, offVariant: 'off', prerequisites: [], ...naming, fallthrough: null };
    const writes: [name: string, write: (comment?: string) => ReturnType<Client['post']>][] = [
      ['enable', (comment) => api.admin.post(`${targetingPath('checkout')}/enable`, { comment })],
      ['disable', (comment) => api.admin.post(`${targetingPath('checkout')}/disable`, { comment })],
      [
        'percentage',
        (comment) => api.admin.post(`${targetingPath('checkout')}/percentage`, { percentage: 5, comment }),
      ],
      ['put', (comment) => api.admin.put(targetingPath('checkout'), { ...document, comment }).set('if-match', '*')],
      [
        'members',
        (comment) =>
          api.admin.post('/projects/default/cohorts/staff/members', { list: 'included', add: ['b'], comment }),
      ],
      [
        'cohort',
        (comment) =>
          api.admin.put('/projects/default/cohorts/staff', { rules: [], included: [], comment }).set('if-match', '*'),
      ],
      ['copy', (comment) => api.admin.post(`${targetingPath('checkout')}/copy`, { from: 'development', comment })],
      ['flag', (comment) => api.admin.patch('/projects/default/flags/checkout', { metadata: { a: 1 }, comment })],
      ['new flag', (comment) => api.admin.post('/projects/default/flags', { key: 'banner', type: 'boolean', comment })],
      ['archive', (comment) => api.admin.post('/projects/default/flags/checkout/archive', { comment })],
      ['restore', (comment) => api.admin.post('/projects/default/flags/checkout/restore', { comment })],
      ['rename', (comment) => api.admin.patch(ENVIRONMENT, { name: 'Live', comment })],
    ];
    for (const [name, write] of writes) {
      const before = await newest();
      for (const comment of [undefined, '', '   ']) {
        const problem = expectProblem(await write(comment), 422, 'comment_required');
        expect(problem, name).toMatchObject({ environments: ['production'], errors: [{ pointer: '/comment' }] });
      }
      expect(await newest(), name).toEqual(before);
      expect((await write('because')).status, name).toBeLessThan(300);
      expect(await newest(), name).toMatchObject({ comment: 'because' });
    }
  });

  it('leaves the others as they are, and asks for no comment where nothing changes', async () => {
    const other = await api.admin.post(`${targetingPath('checkout', 'development')}/enable`);
    expect(other.status).toBe(200);
    await api.admin.post(`${targetingPath('checkout')}/disable`).expect(200);
    await api.admin.patch('/projects/default/flags/checkout', { name: 'seen by nobody but people' }).expect(200);
  });

  it('is deleted neither alone nor with its project', async () => {
    const refused = [
      await api.admin.delete(`${ENVIRONMENT}?confirm=production&comment=because`),
      await api.admin.delete('/projects/default?confirm=default&comment=because'),
    ];
    for (const answer of refused)
      expect(expectProblem(answer, 409, 'protected')).toMatchObject({ environments: ['production'] });
    await api.admin.get(ENVIRONMENT).expect(200);
  });

  it('is switched by operators, edited by editors and laid open by admins, as any other', async () => {
    const as = async (role: string): Promise<Client> =>
      api.as(
        (await api.admin.post('/tokens', { name: role, kind: 'management', role }).expect(201)).body.token as string,
      );
    const [viewer, operator, editor] = [await as('viewer'), await as('operator'), await as('editor')];
    const comment = 'because';
    expectProblem(await viewer.post(`${targetingPath('checkout')}/enable`, { comment }), 403, 'forbidden');
    await operator.post(`${targetingPath('checkout')}/enable`, { comment }).expect(200);
    const copy = { from: 'development', comment };
    expectProblem(await operator.post(`${targetingPath('checkout')}/copy`, copy), 403, 'forbidden');
    await editor.post(`${targetingPath('checkout')}/copy`, copy).expect(200);
    expectProblem(await editor.patch(ENVIRONMENT, { protected: false, comment }), 403, 'forbidden');
  });

  it('is protected until an admin says why not', async () => {
    expectProblem(await api.admin.patch(ENVIRONMENT, { protected: false }), 422, 'comment_required');
    await api.admin.patch(ENVIRONMENT, { protected: false, comment: 'no longer live' }).expect(200);
    await api.admin.post(`${targetingPath('checkout')}/disable`).expect(200);
    await api.admin.delete(`${ENVIRONMENT}?confirm=production`).expect(204);
  });
});
