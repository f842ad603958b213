import type { Movement, Problem, WhoMoves } from '@fledge/evaluation';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, targetingPath, type TestApi } from '../support/api.js';

type Preview = {
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
  readonly diff: readonly string[];
  readonly whoMoves: WhoMoves | null;
  readonly text: string;
};

let api: TestApi;
let viewer: string;

const LAYOUT = targetingPath('layout');
const weights = (a: number, b: number, control: number) => ({
  enabled: true,
  offVariant: 'control',
  prerequisites: [],
  rules: [] as object[],
  fallthrough: {
    split: [
      { variant: 'a', weight: a },
      { variant: 'b', weight: b },
      { variant: 'control', weight: control },
    ],
  },
});
const germany = (percentage: number) => ({
  id: 'germany',
  conditions: [{ attribute: 'country', operator: 'in', values: ['DE'] }],
  gate: { percentage },
  serve: { variant: 'a' },
});

beforeAll(async () => {
  api = await startApi();
  const { body } = await api.admin
    .post('/tokens', { name: 'reviewer', kind: 'management', role: 'viewer', project: 'default' })
    .expect(201);
  viewer = (body as { token: string }).token;
  const variants = { a: 'A', b: 'B', control: 'C' };
  await api.admin.post('/projects/default/flags', { key: 'layout', type: 'string', variants }).expect(201);
});
afterAll(() => api.stop());

async function save(targeting: object): Promise<void> {
  const { body } = await api.admin.get(LAYOUT).expect(200);
  await api.admin.put(LAYOUT, { ...targeting, version: (body as { version: number }).version }).expect(200);
}

async function preview(targeting: unknown, path = LAYOUT): Promise<Preview> {
  return (await api.as(viewer).post(`${path}/preview`, { targeting }).expect(200)).body as Preview;
}

async function everyone(targeting: object): Promise<Movement> {
  const { whoMoves, problems } = await preview(targeting);
  expect(problems).toEqual([]);
  if (whoMoves?.everyone == null) throw new Error('no conditions are in force');
  return whoMoves.everyone;
}

const percent = (share: number): number => Math.round(share * 1000) / 10;

describe('a preview', () => {
  it('shows that 10/10/80 → 20/20/60 moves 20 %, the least possible, and nobody from one treatment to another', async () => {
    await save(weights(10, 10, 80));
    const { moved, minimum, moves, switched, variants, matrix } = await everyone(weights(20, 20, 60));
    expect(percent(minimum)).toBe(20);
    expect(Math.abs(moved.share - 0.2)).toBeLessThanOrEqual(moved.error);
    expect(moves.map(({ from, to }) => `${from} → ${to}`).toSorted()).toEqual(['control → a', 'control → b']);
    expect(switched.units).toBe(0);
    expect(variants).toEqual(['a', 'b', 'control']);
    expect(matrix.flat().reduce((sum, units) => sum + units)).toBe(100_000);
  });

  it('shows honestly who goes from one treatment to another when 5/5/90 becomes 5/40/55, and what would not', async () => {
    await save(weights(5, 5, 90));
    const { moved, minimum, switched, moves } = await everyone(weights(5, 40, 55));
    expect(percent(minimum)).toBe(35);
    expect(moved.share).toBeGreaterThan(minimum);
    expect(switched.units).toBeGreaterThan(0);
    expect(moves.filter(({ from, to }) => from === 'a' && to === 'b')).toHaveLength(1);
    const { whoMoves } = await preview(weights(5, 40, 55));
    const lighter = whoMoves?.rules.find(({ rule }) => rule === null)?.lighter;
    expect(lighter).toMatchObject({ variant: 'b' });
    expect(lighter?.moved).toBeLessThan(moved.share);
  });

  it('is near the formula of rendezvous hashing: 33/33/34 → 20/40/40', async () => {
    await save(weights(33, 33, 34));
    const [before, after] = [
      [33, 33, 34],
      [20, 40, 40],
    ] as const;
    const stay = before.map(
      (p, i) => 1 / before.reduce<number>((sum, q, j) => sum + Math.max(q / p, (after[j] ?? 0) / (after[i] ?? 1)), 0),
    );
    const { moved } = await everyone(weights(20, 40, 40));
    expect(Math.abs(moved.share - (1 - stay.reduce((sum, share) => sum + share)))).toBeLessThan(2 * moved.error);
  });

  it('says in words what changes, and for conditions which share of whose audience', async () => {
    const { fallthrough, ...rest } = weights(0, 0, 1);
    await save({ ...rest, rules: [germany(25)], fallthrough });
    const { diff, whoMoves } = await preview({ ...rest, rules: [germany(50)], fallthrough });
    expect(diff).toEqual(['germany: gate 25 % → 50 %']);
    expect(whoMoves?.everyone).toBeNull();
    expect(whoMoves?.rules.map(({ rule, movement }) => [rule, percent(movement?.moved.share ?? Number.NaN)])).toEqual([
      ['germany', expect.closeTo(25, 0)],
      [null, 0],
    ]);
    expect(whoMoves?.audiences.map(({ meets }) => meets)).toContainEqual(['country in "DE"']);
  });

  it('says it plainly when somebody would go from one treatment to another, and when nobody would', async () => {
    await save(weights(5, 5, 90));
    const { text } = await preview(weights(5, 40, 55));
    expect(text).toMatch(/^everyone: 36[\d.]* % ± 0\.3\d* % move, at least 35 % have to: control → b 33/);
    expect(text).toMatch(/\neveryone: 1\.\d+ % ± 0\.\d+ % go from one treatment to another\n/);
    expect(text).toContain('lighter: keep the split and change the weight of b alone, which moves 35');
    await save(weights(10, 10, 80));
    expect((await preview(weights(20, 20, 60))).text).toContain('everyone: nobody goes from one treatment to another');
  });

  it('answers what Swagger UI shows as its answer', async () => {
    const path = targetingPath('new-checkout');
    await api.admin.post('/projects/default/flags', { key: 'new-checkout', type: 'boolean' }).expect(201);
    const { body } = await api.admin.get(path).expect(200);
    const targeting = (percentage: number): object => ({
      ...(body as object),
      enabled: true,
      rules: [{ ...germany(percentage), serve: { variant: 'on' } }],
      fallthrough: { variant: 'off' },
    });
    await api.admin.put(path, targeting(25)).expect(200);
    const { version: _, ...edited } = targeting(50) as { version: number };
    const { paths } = (await api.as(undefined).get('/openapi.json').expect(200)).body as {
      paths: Record<
        string,
        { post: { responses: { 200: { content: { 'application/json': { example: Preview } } } } } }
      >;
    };
    const operation = paths['/api/v1/projects/{project}/environments/{environment}/flags/{flag}/preview'];
    const rounded = (key: string, value: unknown): unknown =>
      key === 'error' && typeof value === 'number' ? Math.round(value * 1e5) / 1e5 : value;
    expect(JSON.parse(JSON.stringify(await preview(edited, path), rounded))).toEqual(
      operation?.post.responses[200].content['application/json'].example,
    );
  });

  it('saves nothing', async () => {
    const before = (await api.admin.get(LAYOUT).expect(200)).body as object;
    const log = (await api.admin.get('/projects/default/changes').expect(200)).body as object;
    const { diff } = await preview({ ...weights(1, 2, 3), enabled: false });
    expect(diff).not.toEqual([]);
    expect((await api.admin.get(LAYOUT).expect(200)).body).toEqual(before);
    expect((await api.admin.get('/projects/default/changes').expect(200)).body).toEqual(log);
  });

  it('finds nothing in what a GET answered', async () => {
    const { body } = await api.admin.get(LAYOUT).expect(200);
    const same = await preview(body);
    expect(same).toMatchObject({ problems: [], diff: [] });
    expect(same.whoMoves?.rules.every(({ movement }) => movement?.moved.units === 0)).toBe(true);
  });

  it('brings the warnings of a document that is legal', async () => {
    const rules = [germany(100), { ...germany(50), id: 'again' }];
    expect((await preview({ ...weights(1, 1, 1), rules })).warnings.map(({ code }) => code)).toContain(
      'unreachable_rule',
    );
  });

  it('compares with the flags that a prerequisite names', async () => {
    await save(weights(0, 0, 1));
    const prerequisites = [{ flag: 'payments', variants: ['on'] }];
    expect((await preview({ ...weights(1, 0, 0), prerequisites })).problems.map(({ pointer }) => pointer)).toEqual([
      '/prerequisites/0/flag',
    ]);
    await api.admin.post('/projects/default/flags', { key: 'payments', type: 'boolean' }).expect(201);
    const { diff, whoMoves } = await preview({ ...weights(1, 0, 0), prerequisites });
    expect(diff).toContain('prerequisite added: payments serves on');
    // It is disabled, so nobody gets beyond it.
    expect(whoMoves?.everyone?.moved.units).toBe(0);
  });
});

describe('a preview of what cannot be saved', () => {
  it('lists every problem with its pointer, answers 200 and compares nothing', async () => {
    const { problems, diff, whoMoves } = await preview({
      ...weights(1, 1, 1),
      colour: 'red',
      offVariant: 'nowhere',
      rules: [
        { ...germany(101), id: 'one' },
        { id: 'two', conditions: [{ attribute: 'x', operator: 'like', values: ['y'] }], serve: { variant: 'a' } },
        {
          id: 'three',
          conditions: [{ attribute: 'x', operator: 'matches', values: ['(a+)+$'] }],
          serve: { variant: 'a' },
        },
      ],
    });
    expect(problems.map(({ pointer }) => pointer).toSorted()).toEqual([
      '/colour',
      '/offVariant',
      '/rules/0/gate/percentage',
      '/rules/1/conditions/0/operator',
      '/rules/2/conditions/0/values/0',
    ]);
    expect({ diff, whoMoves }).toEqual({ diff: [], whoMoves: null });
  });

  it.each([
    [{}, ['/enabled', '/fallthrough', '/offVariant', '/prerequisites', '/rules']],
    [null, ['/enabled', '/fallthrough', '/offVariant', '/prerequisites', '/rules']],
    [[], ['']],
    ['on', ['']],
    [{ ...weights(1, 1, 1), enabled: 'yes' }, ['/enabled']],
    [{ ...weights(1, 1, 1), rules: null }, ['/rules']],
    [{ ...weights(1, 1, 1), key: 'another', environment: 'elsewhere' }, ['/environment', '/key']],
  ])('answers %j with its problems', async (targeting, pointers) => {
    const { problems, whoMoves } = await preview(targeting);
    expect(problems.map(({ pointer }) => pointer).toSorted()).toEqual(pointers);
    expect(whoMoves).toBeNull();
  });

  it('says that the flag is archived', async () => {
    const path = targetingPath('old');
    await api.admin.post('/projects/default/flags', { key: 'old', type: 'boolean' }).expect(201);
    const { body } = await api.admin.get(path).expect(200);
    await api.admin.post('/projects/default/flags/old/archive', {}).expect(200);
    expect((await preview(body, path)).problems.map(({ code }) => code)).toEqual(['archived']);
  });

  it('refuses only what is no question at all', async () => {
    const { body } = await api.as(viewer).post(`${LAYOUT}/preview`, {}).expect(422);
    expect(body).toMatchObject({ status: 422 });
    await api.as(viewer).post(`${LAYOUT}/preview`, { targeting: {}, more: 1 }).expect(422);
    await api
      .as(viewer)
      .post(`${targetingPath('nowhere')}/preview`, { targeting: {} })
      .expect(404);
    await api.as(undefined).post(`${LAYOUT}/preview`, { targeting: {} }).expect(401);
    await api
      .as(await api.sdkKey())
      .post(`${LAYOUT}/preview`, { targeting: {} })
      .expect(403);
  });
});
