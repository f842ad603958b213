import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, targetingPath, type TestApi } from '../support/api.js';
import { expectProblem } from '../support/problem.js';
import { sql } from '../support/sql.js';

type Item = { readonly key: string; readonly name: string; readonly updatedAt: string; readonly id: string };
type Page = { readonly items: readonly Item[]; readonly nextCursor: string | null };

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
  // Names repeat, and so do times: an order must be unique all the same.
  for (let index = 0; index < 30; index += 1) {
    const body = { key: `flag-${String(index).padStart(2, '0')}`, name: `name ${index % 3}`, type: 'boolean' };
    const tags = index % 2 === 0 ? ['even', 'all'] : ['all'];
    await api.admin
      .post('/projects/default/flags', { ...body, tags, description: index === 7 ? 'Lucky 100%' : '' })
      .expect(201);
  }
  await sql(api.databaseUrl, `UPDATE flag SET created_at = date_trunc('day', created_at), updated_at = created_at`);
});
afterAll(() => api.stop());

const FLAGS = '/projects/default/flags';
const get = async (path: string, query: string): Promise<Page> =>
  (await api.admin.get(`${path}?${query}`).expect(200)).body as Page;

/** The whole list, page by page; `between` is done after every page. */
async function all(
  path: string,
  query: string,
  between: (page: number) => Promise<unknown> = () => Promise.resolve(),
): Promise<Item[]> {
  const items: Item[] = [];
  let cursor: string | null = '';
  for (let number = 1; cursor !== null; number += 1) {
    const page: Page = await get(path, cursor === '' ? query : `${query}&cursor=${cursor}`);
    items.push(...page.items);
    cursor = page.nextCursor;
    await between(number);
  }
  return items;
}
const keys = (items: readonly Item[]): string[] => items.map(({ key }) => key);

describe('every list', () => {
  it('answers at most as many as asked for, 50 without being asked, 200 at most', async () => {
    expect((await get(FLAGS, 'limit=7')).items).toHaveLength(7);
    expect((await get(FLAGS, '')).items).toHaveLength(30);
    expect((await get(FLAGS, 'limit=200')).nextCursor).toBeNull();
    expect((await get(FLAGS, 'limit=30')).nextCursor).toBeNull();
    expect((await get(FLAGS, 'limit=29')).nextCursor).toEqual(expect.any(String));
    for (const limit of ['0', '201', '-1', '1.5', 'many', '', '1&limit=2']) {
      expectProblem(await api.admin.get(`${FLAGS}?limit=${limit}`), 400, 'bad_request');
    }
  });

  it('holds every item once whatever it is sorted by, forward and backward', async () => {
    const places = [
      [FLAGS, ['key', 'name', 'createdAt', 'updatedAt']],
      ['/projects/default/environments/production/flags', ['key', 'name', 'updatedAt']],
    ] as const;
    const everything = keys((await get(FLAGS, 'limit=200')).items).sort();
    for (const [path, sorts] of places) {
      for (const sort of sorts) {
        const forward = keys(await all(path, `limit=7&sort=${sort}`));
        expect(forward.toSorted(), `${path} ${sort}`).toEqual(everything);
        expect(keys(await all(path, `limit=4&sort=-${sort}`))).toEqual(forward.toReversed());
      }
    }
    expect(keys(await all(FLAGS, 'limit=7'))).toEqual(everything);
  });

  it('is sorted as it says', async () => {
    const names = (await all(FLAGS, 'limit=9&sort=-name')).map(({ name }) => name);
    expect(names).toEqual(names.toSorted().toReversed());
    await api.admin.patch(`${FLAGS}/flag-11`, { owner: 'me' }).expect(200);
    await api.admin.patch(`${FLAGS}/flag-05`, { owner: 'me' }).expect(200);
    expect(keys((await get(FLAGS, 'limit=2&sort=-updatedAt')).items)).toEqual(['flag-05', 'flag-11']);
  });

  it('neither repeats nor loses what was there when others come and go meanwhile', async () => {
    const before = keys(await all(FLAGS, 'limit=200'));
    const read = keys(
      await all(FLAGS, 'limit=5', async (page) => {
        // One before where the reader is, one behind.
        for (const key of [`a-${page}`, `flag-2${page}-new`]) {
          await api.admin.post(FLAGS, { key, type: 'boolean', tags: ['new'] }).expect(201);
        }
      }),
    );
    expect(new Set(read).size).toBe(read.length);
    expect(read).toEqual(expect.arrayContaining(before));
    expect(read.some((key) => key.startsWith('a-'))).toBe(false);
    for (const { key } of await all(FLAGS, 'limit=200&tag=new')) {
      await api.admin.post(`${FLAGS}/${key}/archive`).expect(200);
      await api.admin.delete(`${FLAGS}/${key}`).expect(204);
    }
  });

  it('takes only cursors that it gave, for the same sort', async () => {
    const { nextCursor } = await get(FLAGS, 'limit=2&sort=name');
    const foreign = [
      `${FLAGS}?cursor=${nextCursor}`,
      `${FLAGS}?sort=-name&cursor=${nextCursor}`,
      `${FLAGS}?sort=createdAt&cursor=${nextCursor}`,
      `/projects?cursor=${nextCursor}`,
      `/tokens?cursor=${nextCursor}`,
      `/changes?cursor=${nextCursor}`,
      ...['x', 'bnVsbA', 'W10', '%00', 'a'.repeat(2_001)].map((cursor) => `${FLAGS}?cursor=${cursor}`),
      ...[
        ['key', 'a', 'x'],
        ['key', 1, '1'],
        ['key', 'a', '99999999999999999999'],
        ['key', 'a\u0000', '1'],
        ['key', 'a', '1', '2'],
        ['key', 'a', '-1'],
        { 0: 'key' },
      ].map((position) => `${FLAGS}?cursor=${Buffer.from(JSON.stringify(position)).toString('base64url')}`),
      `${FLAGS}?sort=createdAt&cursor=${Buffer.from(JSON.stringify(['createdAt', 'yesterday', '1'])).toString('base64url')}`,
      `${FLAGS}?sort=createdAt&cursor=${Buffer.from(JSON.stringify(['createdAt', '2026-02-30 00:00:00+00', '1'])).toString('base64url')}`,
      `/tokens?sort=name&cursor=${Buffer.from(JSON.stringify(['name', 'a', '1'])).toString('base64url')}`,
    ];
    for (const path of foreign) {
      const answer = await api.admin.get(path);
      expect({ path, status: answer.status }).toEqual({ path, status: 400 });
      expectProblem(answer, 400, 'bad_request');
    }
    await api.admin.get(`${FLAGS}?sort=name&limit=9&cursor=${nextCursor}`).expect(200);
  });

  it('refuses a sort that it does not know, with those it knows', async () => {
    for (const sort of ['nope', '-', '', 'constructor', 'key,name', 'key;DROP', '__proto__']) {
      expectProblem(await api.admin.get(`${FLAGS}?sort=${sort}`), 400, 'bad_request');
    }
    expect(expectProblem(await api.admin.get(`${FLAGS}?sort=nope`), 400, 'bad_request').detail).toContain('-updatedAt');
  });

  it('exists for projects, environments, cohorts, members, changes and tokens alike', async () => {
    for (const key of ['c1', 'c2', 'c3']) {
      await api.admin.post('/projects', { key }).expect(201);
      await api.admin.post('/projects/default/environments', { key }).expect(201);
      await api.admin.post('/projects/default/cohorts', { key, included: ['a', 'b', 'c', 'd'] }).expect(201);
      await api.admin.post('/tokens', { name: key, kind: 'management' }).expect(201);
    }
    const lists: [path: string, count: number, sorts: string[]][] = [
      ['/projects', 4, ['key', 'createdAt', 'updatedAt']],
      ['/projects/default/environments', 5, ['key', 'createdAt', 'updatedAt']],
      ['/projects/default/cohorts', 3, ['key', 'name', 'createdAt', 'updatedAt']],
      ['/projects/default/cohorts/c1/members', 4, ['added']],
      ['/tokens', 3, ['createdAt', 'name']],
    ];
    for (const [path, count, sorts] of lists) {
      for (const sort of sorts.flatMap((each) => [each, `-${each}`])) {
        const items = await all(path, `limit=2&sort=${sort}`);
        expect(new Set(items.map((item) => JSON.stringify(item))).size, `${path} ${sort}`).toBe(count);
        expect(items).toHaveLength(count);
      }
    }
    const changes = await all('/changes', 'limit=9');
    expect(new Set(changes.map(({ id }) => id)).size).toBe(changes.length);
  });
});

describe('a list of flags', () => {
  it('is searched by key, name and description, regardless of case and with wildcards as they are', async () => {
    const find = async (query: string, path = FLAGS) => keys((await get(path, query)).items);
    for (const path of [FLAGS, '/projects/default/environments/production/flags']) {
      expect(await find('q=FLAG-0', path)).toHaveLength(10);
      expect(await find('q=name%202', path)).toHaveLength(10);
      expect(await find('q=lucky', path)).toEqual(['flag-07']);
      expect(await find('q=100%25', path)).toEqual(['flag-07']);
      expect(await find('q=%25', path)).toEqual(['flag-07']);
      expect(await find('q=_', path)).toEqual([]);
      expect(await find('q=nothing', path)).toEqual([]);
      expect(await find('q=flag&tag=even&limit=200', path)).toHaveLength(15);
      expect(await find('tag=eve', path)).toEqual([]);
    }
    expect(await all(FLAGS, 'q=flag-1&limit=3')).toHaveLength(10);
  });

  it('shows archived flags instead of the others when asked', async () => {
    await api.admin.post(`${FLAGS}/flag-29/archive`).expect(200);
    expect(keys((await get(FLAGS, 'archived=true')).items)).toEqual(['flag-29']);
    expect(keys((await get(FLAGS, 'archived=false&limit=200')).items)).not.toContain('flag-29');
    expect(keys((await get('/projects/default/environments/production/flags', 'archived=true')).items)).toEqual([
      'flag-29',
    ]);
    await api.admin.post(`${FLAGS}/flag-29/restore`).expect(200);
    await api.admin.get(targetingPath('flag-29')).expect(200);
  });
});
