import { evaluate } from '@fledge/evaluation';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startApi, targetingPath, type TestApi } from '../support/api.js';
import { expectInvalid, expectProblem } from '../support/problem.js';
import { snapshotOf } from '../support/snapshot.js';
import { sql } from '../support/sql.js';

type Body = Record<string, unknown>;

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
  await api.admin.post('/projects/default/cohorts', { key: 'staff', included: ['user-1'] }).expect(201);
});
afterAll(() => api.stop());

let count = 0;
let flag: string;
let banner: string;
beforeEach(async () => {
  count += 1;
  [flag, banner] = [`flag-${count}`, `banner-${count}`];
  await api.admin.post('/projects/default/flags', { key: flag, type: 'boolean' }).expect(201);
  const variants = { plain: 'Hello', loud: 'HELLO' };
  await api.admin.post('/projects/default/flags', { key: banner, type: 'string', variants }).expect(201);
});

const command = (key: string, name: string, body?: Body) => api.admin.post(`${targetingPath(key)}/${name}`, body);
const targeting = async (key: string, environment?: string): Promise<Body> =>
  (await api.admin.get(targetingPath(key, environment)).expect(200)).body as Body;
const LEGAL = { enabled: true, offVariant: 'off', prerequisites: [], rules: [], fallthrough: { variant: 'off' } };
const put = (body: Body, key = flag, environment?: string) =>
  api.admin.put(targetingPath(key, environment), { ...LEGAL, ...body }).set('if-match', '*');
const rule = (body: Body = {}): Body => ({ id: 'r', conditions: [], serve: { variant: 'on' }, ...body });
const when = (...conditions: Body[]): Body => ({ rules: [rule({ conditions })] });

/** What a user gets, decided from the snapshot that an SDK is served now. */
async function served(key: string, context: Record<string, string> = {}): Promise<unknown> {
  const snapshot = await snapshotOf(api);
  const { value, variant, reason, errorCode } = evaluate(snapshot, key, context, Date.now());
  return errorCode ?? { value, variant, reason };
}

describe('the switch', () => {
  it('turns a boolean flag on for everyone, and off again', async () => {
    expect(await served(flag)).toEqual({ value: false, variant: 'off', reason: 'DISABLED' });
    expect((await command(flag, 'enable', { comment: 'go' }).expect(200)).body).toMatchObject({
      enabled: true,
      warnings: [],
    });
    expect(await served(flag)).toEqual({ value: true, variant: 'on', reason: 'STATIC' });
    expect((await command(flag, 'disable').expect(200)).body).toMatchObject({ enabled: false });
    expect(await served(flag)).toEqual({ value: false, variant: 'off', reason: 'DISABLED' });
    expect((await targeting(flag, 'development'))['enabled']).toBe(false);
  });

  it('leaves the rest of the document as it is', async () => {
    await put({ rules: [rule({ description: 'x', gate: { percentage: 5, salt: 's' } })] }).expect(200);
    const { version: _, updatedAt: __, enabled: ___, ...before } = await targeting(flag);
    await command(flag, 'disable').expect(200);
    expect(await targeting(flag)).toMatchObject(before);
  });

  it('turns off whatever else is wrong with the document, but not on', async () => {
    await put(when({ cohorts: ['staff'] })).expect(200);
    // As a restored backup or a lowered limit would leave it.
    await sql(
      api.databaseUrl,
      `UPDATE targeting SET document = jsonb_set(document, '{rules,0,serve,variant}', '"gone"')
       WHERE document #>> '{rules,0,conditions,0,cohorts,0}' = 'staff'`,
    );
    expectInvalid(await command(flag, 'percentage', { percentage: 5 }), '/rules/0/serve/variant unknown_variant');
    expect((await command(flag, 'disable').expect(200)).body).toMatchObject({ enabled: false });
    expectInvalid(await command(flag, 'enable'), '/rules/0/serve/variant unknown_variant');
    await put({}).expect(200);
  });
});

describe('a percentage', () => {
  it('in one call turns the flag on for that share and gives everybody else the off variant', async () => {
    const answer = await command(flag, 'percentage', { percentage: 12.5, comment: 'first wave' }).expect(200);
    expect(answer.body).toMatchObject({
      enabled: true,
      offVariant: 'off',
      rules: [{ id: 'percentage', conditions: [], gate: { percentage: 12.5 }, serve: { variant: 'on' } }],
      fallthrough: { variant: 'off' },
    });
    expect((answer.body as { rules: Body[] }).rules[0]).toEqual({
      id: 'percentage',
      conditions: [],
      gate: { percentage: 12.5 },
      serve: { variant: 'on' },
    });
    const on = async () => {
      const snapshot = await snapshotOf(api);
      const users = Array.from({ length: 2_000 }, (_, index) => `user-${index}`);
      return new Set(users.filter((targetingKey) => evaluate(snapshot, flag, { targetingKey }, 0).value === true));
    };
    const few = await on();
    expect(Math.abs(few.size - 250)).toBeLessThan(75);
    await command(flag, 'percentage', { percentage: 50 }).expect(200);
    const many = await on();
    expect(Math.abs(many.size - 1_000)).toBeLessThan(120);
    for (const user of few) expect(many).toContain(user);
    // Who has no unit gets the off variant.
    expect(await served(flag)).toMatchObject({ value: false, variant: 'off' });
  });

  it('keeps variant, bucketBy and salt of the percentage before, and other rules before its own', async () => {
    await put({
      rules: [
        rule({
          id: 'percentage',
          gate: { percentage: 1, bucketBy: 'company', salt: 'mine' },
          serve: { variant: 'off' },
        }),
        rule({ id: 'staff', conditions: [{ cohorts: ['staff'] }] }),
      ],
    }).expect(200);
    const { rules } = (await command(flag, 'percentage', { percentage: 99.999 }).expect(200)).body as { rules: Body[] };
    expect(rules).toEqual([
      rule({ id: 'staff', conditions: [{ cohorts: ['staff'] }] }),
      {
        id: 'percentage',
        conditions: [],
        gate: { percentage: 99.999, bucketBy: 'company', salt: 'mine' },
        serve: { variant: 'off' },
      },
    ]);
    const changed = await command(flag, 'percentage', {
      percentage: 0,
      variant: 'on',
      bucketBy: 'targetingKey',
    }).expect(200);
    expect((changed.body as { rules: Body[] }).rules[1]).toMatchObject({
      gate: { percentage: 0, bucketBy: 'targetingKey', salt: 'mine' },
      serve: { variant: 'on' },
    });
  });

  it('of a string flag needs a variant, once', async () => {
    expectInvalid(await command(banner, 'percentage', { percentage: 5 }), '/variant missing');
    expect((await command(banner, 'percentage', { percentage: 5, variant: 'loud' }).expect(200)).body).toMatchObject({
      fallthrough: null,
      rules: [{ serve: { variant: 'loud' } }],
    });
    expect((await command(banner, 'percentage', { percentage: 6 }).expect(200)).body).toMatchObject({
      rules: [{ gate: { percentage: 6 }, serve: { variant: 'loud' } }],
    });
    const { errors } = expectProblem(
      await command(banner, 'percentage', { percentage: 5, variant: 'nope' }),
      422,
      'invalid',
    );
    expect(errors).toMatchObject([{ code: 'unknown_variant' }]);
  });

  it('of a boolean flag with its own variants serves the one that is true', async () => {
    const variants = { no: false, yes: true };
    await api.admin.post('/projects/default/flags', { key: `${flag}-own`, type: 'boolean', variants }).expect(201);
    expect((await command(`${flag}-own`, 'percentage', { percentage: 5 }).expect(200)).body).toMatchObject({
      rules: [{ serve: { variant: 'yes' } }],
      fallthrough: { variant: 'no' },
    });
  });

  it('leaves a disabled flag disabled when it is told to, and an enabled one enabled', async () => {
    expect((await command(flag, 'percentage', { percentage: 5, enable: false }).expect(200)).body).toMatchObject({
      enabled: false,
    });
    await command(flag, 'enable').expect(200);
    expect((await command(flag, 'percentage', { percentage: 6, enable: false }).expect(200)).body).toMatchObject({
      enabled: true,
    });
  });

  it('that is none is refused', async () => {
    for (const percentage of [-1, 100.001, 12.3456, 1e-7, 5e-324, '5', null, true, [5], undefined]) {
      const code = percentage === undefined ? 'missing' : 'out_of_range';
      expectInvalid(await command(flag, 'percentage', { percentage }), `/percentage ${code}`);
    }
    for (const percentage of [0, 0.001, 33.333, 99.999, 100]) {
      expect((await command(flag, 'percentage', { percentage }).expect(200)).body).toMatchObject({
        rules: [{ gate: { percentage } }],
      });
    }
  });
});

describe('copying', () => {
  it('takes over all but whether it is enabled', async () => {
    await put({ rules: [rule()], fallthrough: null, offVariant: null }, flag, 'development').expect(200);
    expect((await command(flag, 'copy', { from: 'development' }).expect(200)).body).toMatchObject({
      enabled: false,
      offVariant: null,
      rules: [rule()],
      fallthrough: null,
    });
  });

  it('from an environment that is not there is refused', async () => {
    const answer = await command(flag, 'copy', { from: 'nope' });
    expect([404, 422]).toContain(answer.status);
    expectInvalid(await command(flag, 'copy', {}), '/from missing');
  });
});

describe('a targeting document', () => {
  it('can say everything that the evaluator knows', async () => {
    const document = {
      enabled: true,
      offVariant: null,
      prerequisites: [{ flag, variants: ['on', 'off'] }],
      rules: [
        {
          id: 'off',
          description: 'text',
          enabled: false,
          conditions: [{ cohorts: ['staff'], negate: true }],
          serve: { variant: 'loud' },
        },
        {
          id: 'all operators',
          conditions: [
            { attribute: 'a', operator: 'in', values: ['x', 1, true], negate: true, ignoreCase: true },
            { attribute: 'a', operator: 'contains', values: ['x'] },
            { attribute: 'a', operator: 'starts_with', values: ['x'] },
            { attribute: 'a', operator: 'ends_with', values: ['x'] },
            { attribute: 'a', operator: 'matches', values: ['^x+$'] },
            { attribute: 'a', operator: 'num_eq', values: [1, '1.5'] },
            { attribute: 'a', operator: 'lt', values: [1] },
            { attribute: 'a', operator: 'gte', values: [1] },
            { attribute: '$now', operator: 'before', values: ['2027-01-01T00:00:00Z', 1_800_000_000_000] },
            { attribute: 'a', operator: 'semver_caret', values: ['1.2'] },
            { attribute: 'a', operator: 'cidr', values: ['10.0.0.0/8', '2001:db8::/32'] },
            { attribute: 'a.b', operator: 'exists', values: [] },
            { attribute: 'a', operator: 'exists' },
          ],
          gate: { percentage: 0.001, bucketBy: 'company', salt: '', otherwise: 'plain', bucketing: 1 },
          serve: {
            split: [
              { variant: 'plain', weight: 0 },
              { variant: 'loud', weight: 100_000 },
            ],
            bucketBy: 'company',
            salt: 's',
            bucketing: 1,
          },
        },
      ],
      fallthrough: { split: [{ variant: 'plain', weight: 1 }] },
    };
    const { body } = await put(document, banner).expect(200);
    expect(body).toMatchObject(document);
    const snapshot = await snapshotOf(api);
    expect(snapshot.flags[banner]).toMatchObject(document);
  });

  it('is refused with every problem, each at its place', async () => {
    expectInvalid(
      await put({
        offVariant: 'a',
        prerequisites: [
          { flag: 'nope', variants: ['x'] },
          { flag, variants: ['on'] },
          { flag: banner, variants: ['nope'] },
          {},
          'x',
        ],
        rules: [
          rule({ serve: { variant: 'b' }, unknown: 1 }),
          rule({ conditions: [{ attribute: '', operator: 'in', values: [{}] }, { cohorts: ['nope'] }, {}] }),
          rule({ id: 'gate', gate: { percentage: 101, otherwise: 'c', bucketBy: 1 } }),
          rule({
            id: 'split',
            serve: {
              split: [
                { variant: 'on', weight: 0.5 },
                { variant: 'on', weight: 1 },
              ],
            },
          }),
          rule({ id: 'both', enabled: 'yes', conditions: {}, serve: {} }),
        ],
        fallthrough: { variant: 'd' },
      }),
      '/offVariant unknown_variant',
      '/prerequisites/0/flag unknown_flag',
      '/prerequisites/1/flag cycle',
      '/prerequisites/2/variants/0 unknown_variant',
      '/prerequisites/3/flag missing',
      '/prerequisites/3/variants missing',
      '/prerequisites/4 wrong_type',
      '/rules/0/serve/variant unknown_variant',
      '/rules/0/unknown unknown_field',
      '/rules/1/id duplicate',
      '/rules/1/conditions/0/attribute wrong_type',
      '/rules/1/conditions/0/values/0 unreadable_value',
      '/rules/1/conditions/1/cohorts/0 unknown_cohort',
      '/rules/1/conditions/2/attribute missing',
      '/rules/1/conditions/2/operator missing',
      '/rules/1/conditions/2/values missing',
      '/rules/2/gate/percentage out_of_range',
      '/rules/2/gate/otherwise unknown_variant',
      '/rules/2/gate/bucketBy wrong_type',
      '/rules/3/serve/split/0/weight out_of_range',
      '/rules/3/serve/split/1/variant duplicate',
      '/rules/4/enabled wrong_type',
      '/rules/4/conditions wrong_type',
      '/rules/4/serve/variant missing',
      '/fallthrough/variant unknown_variant',
    );
  });

  it('is refused when an operator is unknown or cannot read its values', async () => {
    const wrong: [operator: string, value: unknown, code: string][] = [
      ['like', 'x', 'unknown_operator'],
      ['__proto__', 'x', 'unknown_operator'],
      ['contains', 1, 'unreadable_value'],
      ['lt', '0x10', 'unreadable_value'],
      ['gt', true, 'unreadable_value'],
      ['before', '2026-02-30T00:00:00Z', 'unreadable_value'],
      ['after', '2026-11-23', 'unreadable_value'],
      ['semver_eq', 'one', 'unreadable_value'],
      ['cidr', '10.0.0.1', 'unreadable_value'],
      ['matches', '(a+)+$', 'unsafe_pattern'],
      ['matches', '(?=x)', 'unsafe_pattern'],
      ['matches', '[', 'unsafe_pattern'],
      ['in', null, 'unreadable_value'],
    ];
    for (const [operator, value, code] of wrong) {
      const place = code === 'unknown_operator' ? 'operator' : 'values/0';
      expectInvalid(
        await put(when({ attribute: 'a', operator, values: [value] })),
        `/rules/0/conditions/0/${place} ${code}`,
      );
    }
  });

  it('is refused when a field is missing, of a wrong type or unknown', async () => {
    const place = targetingPath(flag);
    expectInvalid(
      await api.admin.put(place, { unknown: 1 }).set('if-match', '*'),
      '/unknown unknown_field',
      '/enabled missing',
      '/offVariant missing',
      '/prerequisites missing',
      '/rules missing',
      '/fallthrough missing',
    );
    const wrong: Body[] = [
      { enabled: 'yes' },
      { enabled: null },
      { prerequisites: null },
      { rules: {} },
      { fallthrough: 'off' },
      { offVariant: 1 },
    ];
    for (const field of wrong) {
      const { errors = [] } = expectProblem(await put(field), 422, 'invalid');
      expect(errors[0]?.pointer).toBe(`/${Object.keys(field).join('')}`);
    }
    const { body: stored } = await api.admin.get(place).expect(200);
    const { errors = [] } = expectProblem(
      await api.admin.put(place, { ...(stored as Body), enabled: 'yes' }),
      422,
      'invalid',
    );
    expect(errors[0]?.pointer).toBe('/enabled');
  });

  it('is refused when prerequisites would go in a circle, or too deep', async () => {
    const chain = Array.from({ length: 12 }, (_, index) => `${flag}-chain-${index}`);
    for (const key of chain) await api.admin.post('/projects/default/flags', { key, type: 'boolean' }).expect(201);
    const require = (from: number, to: number) =>
      put({ prerequisites: [{ flag: chain[to], variants: ['on'] }] }, chain[from]);
    for (let index = 0; index < 10; index += 1) await require(10 - index - 1, 10 - index).expect(200);
    for (const [from, to] of [
      [10, 0],
      [10, 10],
      [5, 2],
    ] as const) {
      expectInvalid(await require(from, to), '/prerequisites/0/flag cycle');
    }
    expectInvalid(await require(11, 0), '/prerequisites/0/flag too_deep');
    // In another environment there is no such chain.
    await put({ prerequisites: [{ flag: chain[0], variants: ['on'] }] }, chain[10], 'development').expect(200);
  });

  it('is refused when it needs an archived flag', async () => {
    await api.admin.post(`/projects/default/flags/${banner}/archive`).expect(200);
    expectInvalid(
      await put({ prerequisites: [{ flag: banner, variants: ['plain'] }] }),
      '/prerequisites/0/flag unknown_flag',
    );
  });

  it('is accepted with warnings when it is legal but probably not meant', async () => {
    const answer = await put({
      rules: [
        rule({ id: 'first', gate: { percentage: 50 } }),
        rule({ id: 'smaller', gate: { percentage: 25 } }),
        rule({ id: 'everybody' }),
        rule({ id: 'never' }),
      ],
    }).expect(200);
    const { warnings } = answer.body as { warnings: { pointer: string; code: string; message: string }[] };
    expect(warnings.map(({ pointer, code }) => `${pointer} ${code}`)).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^\/rules\/1\b.* gate_never_admits$/),
        '/rules/3 unreachable_rule',
      ]),
    );
    // They belong to the write, not to the document.
    expect(await targeting(flag)).not.toHaveProperty('warnings');
  });
});

describe('the list of an environment', () => {
  it('shows every flag with its state there', async () => {
    await command(flag, 'percentage', { percentage: 25 }).expect(200);
    const { items } = (await api.admin.get(`/projects/default/environments/production/flags?q=${flag}`).expect(200))
      .body as { items: Body[] };
    const { rules, version, updatedAt } = await targeting(flag);
    expect(items.filter(({ key }) => key === flag)).toEqual([
      {
        key: flag,
        environment: 'production',
        name: flag,
        type: 'boolean',
        tags: [],
        variants: { on: true, off: false },
        enabled: true,
        offVariant: 'off',
        prerequisites: [],
        rules,
        fallthrough: { variant: 'off' },
        version,
        updatedAt,
      },
    ]);
  });
});
