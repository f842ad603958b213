import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, targetingPath, type TestApi } from '../support/api.js';
import { expectProblem } from '../support/problem.js';
import { everyRow, sql } from '../support/sql.js';

type Change = {
  readonly id: string;
  readonly at: string;
  readonly action: string;
  readonly project: string | null;
  readonly subject: { readonly type: string; readonly key: string };
  readonly environment: string | null;
  readonly environments: readonly { readonly key: string; readonly version: number }[];
  readonly actor: { readonly id: string; readonly name: string; readonly kind: string };
  readonly requestId: string | null;
  readonly comment: string | null;
  readonly before: unknown;
  readonly after: unknown;
};

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

const LOG = '/projects/default/changes';
const page = async (query = '', path = LOG): Promise<{ items: Change[]; nextCursor: string | null }> =>
  (await api.admin.get(`${path}${query}`).expect(200)).body as { items: Change[]; nextCursor: string | null };
const newest = async (): Promise<Change | undefined> => (await page('?limit=1', '/changes')).items[0];

describe('every write', () => {
  it('is recorded with who, what, when and why, before and after', async () => {
    const token = (
      await api.admin.post('/tokens', { name: 'deploy bot', kind: 'management', role: 'admin' }).expect(201)
    ).body as { id: string; token: string };
    const bot = api.as(token.token);
    const flag = '/projects/default/flags/checkout';
    const place = targetingPath('checkout');
    const cohort = '/projects/default/cohorts/staff';
    const writes: [
      action: string,
      subject: string,
      environments: string[],
      write: () => PromiseLike<{ status: number; body: unknown }>,
    ][] = [
      ['project.created', 'project mobile', [], () => bot.post('/projects', { key: 'mobile', comment: 'why' })],
      ['project.updated', 'project mobile', [], () => bot.patch('/projects/mobile', { name: 'x', comment: 'why' })],
      ['project.deleted', 'project mobile', [], () => bot.delete('/projects/mobile?confirm=mobile&comment=why')],
      [
        'environment.created',
        'environment staging',
        ['staging'],
        () => bot.post('/projects/default/environments', { key: 'staging', comment: 'why' }),
      ],
      [
        'environment.updated',
        'environment staging',
        [],
        () => bot.patch('/projects/default/environments/staging', { name: 'x', comment: 'why' }),
      ],
      [
        'environment.deleted',
        'environment staging',
        [],
        () => bot.delete('/projects/default/environments/staging?confirm=staging&comment=why'),
      ],
      [
        'flag.created',
        'flag checkout',
        ['development', 'production'],
        () => bot.post('/projects/default/flags', { key: 'checkout', type: 'boolean', comment: 'why' }),
      ],
      ['flag.updated', 'flag checkout', [], () => bot.patch(flag, { name: 'x', comment: 'why' })],
      [
        'flag.updated',
        'flag checkout',
        ['development', 'production'],
        () => bot.patch(flag, { metadata: { a: 1 }, comment: 'why' }),
      ],
      [
        'targeting.enabled',
        'targeting checkout',
        ['production'],
        () => bot.post(`${place}/enable`, { comment: 'why' }),
      ],
      [
        'targeting.disabled',
        'targeting checkout',
        ['production'],
        () => bot.post(`${place}/disable`, { comment: 'why' }),
      ],
      [
        'targeting.percentage',
        'targeting checkout',
        ['production'],
        () => bot.post(`${place}/percentage`, { percentage: 5, comment: 'why' }),
      ],
      [
        'targeting.copied',
        'targeting checkout',
        ['production'],
        () => bot.post(`${place}/copy`, { from: 'development', comment: 'why' }),
      ],
      [
        'targeting.updated',
        'targeting checkout',
        ['production'],
        () =>
          bot
            .put(place, {
              enabled: true,
              offVariant: null,
              prerequisites: [],
              rules: [],
              fallthrough: null,
              comment: 'why',
            })
            .set('if-match', '*'),
      ],
      [
        'cohort.created',
        'cohort staff',
        [],
        () => bot.post('/projects/default/cohorts', { key: 'staff', comment: 'why' }),
      ],
      ['cohort.updated', 'cohort staff', [], () => bot.put(cohort, { name: 'x', version: 1, comment: 'why' })],
      [
        'cohort.members',
        'members staff',
        [],
        () => bot.post(`${cohort}/members`, { list: 'included', add: ['a'], comment: 'why' }),
      ],
      ['cohort.deleted', 'cohort staff', [], () => bot.delete(`${cohort}?comment=why`)],
      [
        'flag.archived',
        'flag checkout',
        ['development', 'production'],
        () => bot.post(`${flag}/archive`, { comment: 'why' }),
      ],
      [
        'flag.restored',
        'flag checkout',
        ['development', 'production'],
        () => bot.post(`${flag}/restore`, { comment: 'why' }),
      ],
    ];
    let last = await newest();
    for (const [action, subject, environments, write] of writes) {
      const began = Date.now();
      const { status } = await write();
      expect({ action, status }).toEqual({ action, status: expect.toSatisfy((is: number) => is < 300) as number });
      const change = await newest();
      expect(Number(change?.id)).toBe(Number(last?.id) + 1);
      last = change;
      expect(change).toMatchObject({
        action,
        actor: { id: token.id, name: 'deploy bot', kind: 'token' },
        comment: 'why',
        requestId: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
      });
      expect(`${change?.subject.type} ${change?.subject.key}`).toBe(subject);
      expect(change?.environments.map(({ key }) => key).sort()).toEqual(environments);
      expect(change?.before === null).toBe(action.endsWith('.created'));
      expect(change?.after === null).toBe(action.endsWith('.deleted'));
      expect(Date.parse(change?.at ?? '')).toBeGreaterThanOrEqual(began - 1_000);
      expect(Date.parse(change?.at ?? '')).toBeLessThanOrEqual(Date.now() + 1_000);
    }
  });

  it('has the documents as they were and as they are', async () => {
    await api.admin.post('/projects/default/flags', { key: 'documents', type: 'boolean' }).expect(201);
    const before = (await api.admin.get(targetingPath('documents')).expect(200)).body as object;
    const { warnings: _, ...after } = (
      await api.admin.post(`${targetingPath('documents')}/percentage`, { percentage: 5 }).expect(200)
    ).body as {
      warnings: unknown;
      version: number;
    };
    expect(await newest()).toMatchObject({
      before,
      after,
      environment: 'production',
      environments: [{ key: 'production', version: after.version }],
    });
  });

  it('carries the id of its request', async () => {
    await api.admin
      .post(`${targetingPath('documents')}/disable`)
      .set('x-request-id', 'pipeline-42')
      .expect(200);
    expect(await newest()).toMatchObject({ requestId: 'pipeline-42' });
  });

  it('that is refused is not recorded', async () => {
    const before = await newest();
    await api.admin.post('/projects/default/flags', { key: 'documents', type: 'boolean' }).expect(409);
    await api.admin.post(`${targetingPath('documents')}/percentage`, { percentage: 500 }).expect(422);
    await api.admin.delete('/projects/default/flags/documents').expect(409);
    expect(await newest()).toEqual(before);
  });
});

describe('the log', () => {
  it('is filtered by action, type, key, environment, actor and time', async () => {
    for (const key of ['one', 'two'])
      await api.admin.post('/projects/default/flags', { key, type: 'boolean' }).expect(201);
    const since = new Date().toISOString();
    await sleep(5);
    await api.admin.post(`${targetingPath('one')}/enable`).expect(200);
    await api.admin.post(`${targetingPath('one', 'development')}/enable`).expect(200);
    await sleep(5);
    const until = new Date().toISOString();
    await sleep(5);
    await api.admin.post(`${targetingPath('two')}/enable`).expect(200);
    const subjects = async (query: string) =>
      (await page(`?limit=200&${query}`)).items.map(
        ({ action, subject, environment }) => `${action} ${subject.key} ${environment}`,
      );

    expect(await subjects('key=one')).toEqual([
      'targeting.enabled one development',
      'targeting.enabled one production',
      'flag.created one null',
    ]);
    expect(await subjects('key=one&type=targeting')).toHaveLength(2);
    expect(await subjects('key=one&action=targeting.enabled&environment=production')).toEqual([
      'targeting.enabled one production',
    ]);
    // What touched the environment counts too.
    expect(await subjects('key=one&environment=production')).toEqual([
      'targeting.enabled one production',
      'flag.created one null',
    ]);
    expect(await subjects(`since=${since}&until=${until}`)).toEqual([
      'targeting.enabled one development',
      'targeting.enabled one production',
    ]);
    expect(await subjects(`since=${until}`)).toEqual(['targeting.enabled two production']);
    expect(await subjects('actor=environment&key=two')).toHaveLength(2);
    expect(await subjects('actor=somebody')).toEqual([]);
    expect(await subjects('key=nothing')).toEqual([]);
  });

  it('is read page by page, the newest first or the oldest, whatever is written meanwhile', async () => {
    const ids = async (query: string): Promise<string[]> => {
      const seen: string[] = [];
      let cursor: string | null = '';
      while (cursor !== null) {
        const { items, nextCursor }: { items: Change[]; nextCursor: string | null } = await page(
          `?limit=7${query}${cursor === '' ? '' : `&cursor=${cursor}`}`,
        );
        seen.push(...items.map(({ id }) => id));
        cursor = nextCursor;
        if (seen.length === 7)
          await api.admin.patch('/projects/default', { name: `while ${query} ${seen[0]}` }).expect(200);
      }
      return seen;
    };
    const newestFirst = await ids('');
    expect(newestFirst).toEqual([...new Set(newestFirst)].sort((a, b) => Number(b) - Number(a)));
    const oldestFirst = await ids('&sort=id');
    // What was written on the way is at the end of one and before the beginning of the other.
    expect(oldestFirst.toReversed().slice(2)).toEqual(newestFirst);
  });

  it('of one project is its own; the log of everything is for administrators', async () => {
    await api.admin.post('/projects', { key: 'quiet' }).expect(201);
    expect((await page('', '/projects/quiet/changes')).items).toMatchObject([
      { action: 'project.created', project: 'quiet' },
    ]);
    const everything = (await page('?limit=200', '/changes')).items;
    expect(new Set(everything.map(({ project }) => project))).toEqual(new Set(['default', 'quiet', 'mobile', null]));
    expectProblem(await api.admin.get('/projects/nope/changes'), 404, 'not_found');
  });
});

describe('the log in the database', () => {
  it.each(['change', 'change_undo'])('%s: is only ever appended to, whoever asks', async (table) => {
    const count = async (): Promise<unknown> => sql(api.databaseUrl, `SELECT count(*) FROM ${table}`);
    const before = await count();
    const column = table === 'change' ? 'comment' : 'content';
    for (const statement of [
      `UPDATE ${table} SET ${column} = NULL`,
      `DELETE FROM ${table}`,
      `TRUNCATE ${table}`,
      `TRUNCATE ${table} CASCADE`,
      `SET session_replication_role = replica; DELETE FROM ${table}`,
    ]) {
      await expect(sql(api.databaseUrl, statement), statement).rejects.toThrow('only ever appended to');
    }
    expect(await count()).toEqual(before);
  });

  it('holds no member of a cohort, so that a unit is erased by deleting its rows', async () => {
    const unit = 'somebody-to-be-forgotten';
    await api.admin.post('/projects/default/cohorts', { key: 'erasing', included: [unit] }).expect(201);
    await api.admin.delete('/projects/default/cohorts/erasing').expect(204);
    const holding = async (): Promise<string[]> =>
      (await everyRow(api.databaseUrl)).filter((row) => row.includes(unit)).map((row) => row.split(' ')[0] ?? '');
    expect(await holding()).toEqual(['cohort_member']);
    await sql(api.databaseUrl, 'DELETE FROM cohort_member WHERE unit = $1', [unit]);
    expect(await holding()).toEqual([]);
  });
});

describe('time and version', () => {
  it('run forward together in every environment, even when the clock runs backward', async () => {
    // As if a replica with a clock ahead had written last.
    await sql(
      api.databaseUrl,
      `UPDATE environment SET changed_at = now() + interval '1 hour' WHERE key = 'production'`,
    );
    for (const command of ['disable', 'enable', 'disable'])
      await api.admin.post(`${targetingPath('one')}/${command}`).expect(200);
    const rows = await sql<{ version: number; at: string; ahead: boolean }>(
      api.databaseUrl,
      `SELECT environment_change.version, at::text AS at, at > now() + interval '50 minutes' AS ahead
       FROM environment_change JOIN environment ON environment.id = environment_id WHERE key = 'production' ORDER BY 1`,
    );
    expect(rows.slice(-3).map(({ ahead }) => ahead)).toEqual([true, true, true]);
    expect(rows.map(({ version }) => version)).toEqual(rows.map((_, index) => index + 1));
    const times = rows.map(({ at }) => at);
    expect(times).toEqual([...new Set(times)].sort((a, b) => a.localeCompare(b)));
  });
});
