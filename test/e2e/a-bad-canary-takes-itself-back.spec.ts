import { randomUUID } from 'node:crypto';
import { createClient, type FledgeClient } from '@fledge/sdk';
import type { RolloutDocument, RolloutEvent } from '@fledge/store';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Application, broken, late, FEW, MANY } from '../support/application.js';
import { CrashingApplication } from '../support/crashing-application.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { runDemo } from '../support/demo.js';
import { Fleet } from '../support/fleet.js';
import { buildReplica } from '../support/replica.js';
import { ROLLOUTS } from '../support/rollout.js';
import { ServiceClient, type Answer } from '../support/service-client.js';
import { until } from '../support/wait.js';

/** Two replicas that are killed at random all the while, an application under load, and a rollout for each thing that can happen. */
let database: TestDatabase;
let fleet: Fleet;
let admin: ServiceClient;
let application: Application;
let crashing: CrashingApplication;
let demo: ReturnType<typeof runDemo>;
/** What an application sends from here never arrives. */
let unheard: FledgeClient;
const rollouts = new Map<string, string>();

const LONG_MS = 120_000;
const FLAG = '/projects/default/environments/production/flags';

/** So long that nothing but harm, or a hand, ends the stage. */
const LONG = { minBake: '1h', minSamples: { requests: 20, units: 5 } };
const SHORT = { ...LONG, minBake: '10s' };
const EVERYBODY = { percentage: 100 };
const PLAN = { guardrails: [{ metric: 'errors' }], warmup: '0s', watch: '0s', window: '10s' };

/** The stages of each flag's rollout. */
const STAGES = {
  healthy: [{ percentage: 50, ...SHORT }, EVERYBODY],
  failing: [{ percentage: 50, ...LONG }, EVERYBODY],
  slow: [{ percentage: 20, ...LONG }, EVERYBODY],
  leaking: [{ percentage: 50, ...SHORT }, { percentage: 80, ...LONG }, EVERYBODY],
  crashing: [{ percentage: 20, ...SHORT }, EVERYBODY],
  // Whoever has seen so many units has long seen that some are missing.
  lossy: [{ percentage: 50, ...SHORT, minSamples: { requests: 20, units: 3_000 } }, EVERYBODY],
  steered: [{ percentage: 10, ...LONG }, { percentage: 50, ...LONG }, EVERYBODY],
  promoted: [{ percentage: 10, ...LONG }, { percentage: 50, ...LONG }, EVERYBODY],
  killed: [{ percentage: 50, ...LONG }, EVERYBODY],
};
type Flag = keyof typeof STAGES;
const FLAGS = Object.keys(STAGES) as Flag[];

/** A command with a key of its own, sent until it is answered: the replica that has it may be killed meanwhile. */
async function command(path: string, body: object = {}, method = 'POST'): Promise<Answer> {
  const headers = { 'idempotency-key': randomUUID() };
  let answer: Answer | undefined;
  await until(
    async () => {
      answer = await admin.ask(method, path, body, headers);
      return answer.status < 500 && answer.body.code !== 'idempotency_running';
    },
    `${path} is answered`,
    LONG_MS,
    100,
  );
  if (answer === undefined) throw new Error('There is no answer.');
  return answer;
}

async function steer(flag: Flag, name: string, body: object = {}): Promise<RolloutDocument> {
  const answer = await command(`${ROLLOUTS}/${rollouts.get(flag)}/${name}`, body);
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
  return answer.body as RolloutDocument;
}

/** Reads until it is answered. */
async function read<T>(path: string): Promise<T> {
  let body: unknown;
  await until(
    async () => ({ body } = await admin.must('GET', path)) !== undefined,
    `${path} is answered`,
    LONG_MS,
    100,
  );
  return body as T;
}

const rolloutOf = (flag: Flag): Promise<RolloutDocument> => read(`${ROLLOUTS}/${rollouts.get(flag)}`);

/** The steps it has taken; that it held and went on again is none. */
async function eventsOf(flag: Flag): Promise<string[]> {
  const page = await read<{ items: RolloutEvent[] }>(`${ROLLOUTS}/${rollouts.get(flag)}/events?limit=200`);
  return page.items.map(({ type }) => type).filter((type) => type !== 'held' && type !== 'continued');
}

async function reaches(flag: Flag, is: (rollout: RolloutDocument) => boolean, what: string): Promise<RolloutDocument> {
  let last: RolloutDocument | undefined;
  const seen = (): string => `${last?.state} ${last?.progress ?? ''}`;
  await until(async () => is((last = await rolloutOf(flag))), what, LONG_MS, 300).catch((cause: unknown) => {
    throw new Error(`${flag} ${what}: it is ${seen()}`, { cause });
  });
  if (last === undefined) throw new Error('There is no rollout.');
  return last;
}

const rolledBack = (flag: Flag): Promise<RolloutDocument> =>
  reaches(flag, ({ state }) => state !== 'running', 'is rolled back');

/** How many of a thousand users the SDK gives the canary. */
const onOf = (flag: Flag): number =>
  Array.from({ length: 1_000 }, (_, n) => application.flags.evaluateAll({ targetingKey: `user-${n}` })[flag]).filter(
    (answer) => answer?.variant === 'on',
  ).length;

async function start(flag: Flag): Promise<void> {
  const guardrails = flag === 'slow' ? [{ metric: 'latency' }] : PLAN.guardrails;
  const plan = { ...PLAN, guardrails, stages: STAGES[flag] };
  const request = { flag, canary: 'on', baseline: 'off', enable: true, plan, externalKey: flag };
  const answer = await command(ROLLOUTS, request);
  expect(answer.status, JSON.stringify(answer.body)).toBe(201);
  rollouts.set(flag, answer.body.id as string);
}

beforeAll(async () => {
  database = await createDatabase();
  await buildReplica();
  fleet = await Fleet.start(database.url);
  admin = new ServiceClient(fleet.url);
  await admin.begin();
  await admin.makeFlags(...FLAGS);
  const { key: sdkKey } = await admin.makeKey();
  const options = { url: fleet.url, sdkKey, report: { intervalMs: 1_000 } };
  const flags = createClient(options);
  unheard = createClient({
    ...options,
    fetch: (url: string, init?: RequestInit) =>
      init?.method === 'POST' ? Promise.resolve(new Response('{}')) : fetch(url, init),
  });
  await Promise.all([flags.ready({ timeoutMs: 20_000 }), unheard.ready({ timeoutMs: 20_000 })]);
  application = new Application(flags);
  application.visit('healthy', FEW, { off: broken(0.04), on: broken(0.04) });
  application.visit('failing', FEW, { off: broken(0.04), on: broken(0.2) });
  application.visit('slow', MANY, { off: late(5), on: late(45) });
  application.visit('steered', FEW, { off: broken(0), on: broken(0) });
  application.visit('promoted', FEW, { off: broken(0), on: broken(0) });
  application.visit('killed', FEW, { off: broken(0), on: broken(0) });
  // What leaks is lost bit by bit from the second stage on.
  application.visit('leaking', FEW, { off: broken(0.04), on: application.leak('leaking', 0.04, 80) });
  // One of five units of the canary is served by a process that nobody hears of.
  application.visit('lossy', MANY, { off: broken(0), on: broken(0) }, (unit, isNew) =>
    isNew && unit % 5 === 0 && flags.evaluateAll({ targetingKey: `new-${unit}` })['lossy']?.variant === 'on'
      ? unheard
      : flags,
  );
  for (const flag of FLAGS) await start(flag);
  crashing = await CrashingApplication.start(options, 'crashing', flags);
  demo = runDemo(fleet.url, 'errors');
  fleet.killAtRandom();
}, LONG_MS);

afterAll(async () => {
  await fleet.stopKilling();
  await crashing.stop();
  await application.stop();
  await unheard.close();
  await fleet.stop();
  await database.drop();
}, LONG_MS);

describe('while replicas are killed at random and an application is under load,', { timeout: LONG_MS + 30_000 }, () => {
  it('a rollout is paused, resumed, sent to a stage and rolled back by hand, and its flag is left to it meanwhile', async () => {
    expect(await steer('steered', 'pause')).toMatchObject({ state: 'paused', percentage: 10 });
    const edit = { percentage: 30, comment: 'by hand' };
    expect(await command(`${FLAG}/steered/percentage`, edit)).toMatchObject({
      status: 409,
      body: { code: 'rollout_live' },
    });
    expect(await steer('steered', 'resume')).toMatchObject({ state: 'running', stage: 0, percentage: 10 });
    expect(await steer('steered', 'jump', { stage: 1, comment: 'x' })).toMatchObject({ stage: 1, percentage: 50 });
    await until(() => onOf('steered') > 400, 'the SDK has heard of it');
    expect(await steer('steered', 'rollback', { comment: 'x' })).toMatchObject({ state: 'rolled_back' });
    await until(() => onOf('steered') === 0, 'the SDK has heard of it');
    expect((await command(`${ROLLOUTS}/key:steered/pause`)).status).toBe(409);
    expect(await eventsOf('steered')).toEqual(['started', 'paused', 'resumed', 'jumped', 'rolled_back']);
  });

  it('a rollout is promoted to its end by hand', async () => {
    expect(await steer('promoted', 'promote', { comment: 'x' })).toMatchObject({ stage: 1, percentage: 50 });
    expect(await steer('promoted', 'promote', { comment: 'x' })).toMatchObject({ state: 'completed', stage: 2 });
    await until(() => onOf('promoted') === 1_000, 'the SDK has heard of it');
    expect(await eventsOf('promoted')).toEqual(['started', 'promoted', 'completed']);
  });

  it('the kill switch ends the rollout and leaves the flag off', async () => {
    expect((await command(`${FLAG}/killed/disable`, { comment: 'x' })).body).toMatchObject({
      enabled: false,
      rules: [],
    });
    expect(await rolloutOf('killed')).toMatchObject({ state: 'rolled_back', reasons: ['kill_switch'] });
    await until(() => onOf('killed') === 0, 'the SDK has heard of it');
  });

  it('a canary that fails five times as often is rolled back in its first stage, for everybody', async ({
    annotate,
  }) => {
    expect(await rolledBack('failing')).toMatchObject({ state: 'rolled_back', stage: 0, reasons: ['guardrail'] });
    await until(() => onOf('failing') === 0, 'the SDK has heard of it');
    const { firstBadAt, lastAt } = application.canary('failing');
    const seconds = ((lastAt - firstBadAt) / 1_000).toFixed(1);
    await annotate(`From the first bad request to the last user back on the baseline: ${seconds} s.`);
  });

  it('the demonstration ends as the README shows', async () => {
    const { code, printed } = await demo;
    expect(printed).toMatch(/^Rolled back: errors .+ against .+, evidence .+ against 40$/m);
    expect(printed).toMatch(/^From the first bad request to the last user back: [\d.]+ s; \d+ of \d+ requests/m);
    expect(printed).toContain('canary-demo.svg');
    expect(code).toBe(0);
  });

  it('a healthy canary grows and completes', async () => {
    await reaches('healthy', ({ state }) => state !== 'running', 'is completed');
    expect(await eventsOf('healthy')).toEqual(['started', 'completed']);
    await until(() => onOf('healthy') === 1_000, 'the SDK has heard of it');
  });

  it('a slow canary is rolled back', async () => {
    expect(await rolledBack('slow')).toMatchObject({ state: 'rolled_back', stage: 0, reasons: ['guardrail'] });
    expect(await eventsOf('slow')).toEqual(['started', 'learned', 'rolled_back']);
    await until(() => onOf('slow') === 0, 'the SDK has heard of it');
  });

  it('a leak that begins in the second stage is found there', async () => {
    expect(await rolledBack('leaking')).toMatchObject({ state: 'rolled_back', stage: 1, reasons: ['guardrail'] });
    expect(await eventsOf('leaking')).toEqual(['started', 'advanced', 'rolled_back']);
  });

  it('a canary that crashes before it can report holds, without baking', async () => {
    const missing = new Set(['reports_missing', 'no_data']);
    const held = await reaches('crashing', ({ reasons }) => reasons.some((each) => missing.has(each)), 'holds');
    expect(held).toMatchObject({ state: 'running', stage: 0, bakedMs: 0 });
    expect(crashing.crashes).toBeGreaterThan(3);
  });

  it('a canary of whose exposures a fifth is lost holds where it is', async () => {
    const held = await reaches('lossy', ({ reasons }) => reasons.includes('sample_ratio'), 'holds');
    expect(held).toMatchObject({ state: 'running', stage: 0 });
  });

  it('and none of it was changed by the kills', async () => {
    await until(() => fleet.killed > 1, 'replicas were killed', LONG_MS);
    await fleet.stopKilling();
    // What held holds still, and nothing happened twice.
    expect(await rolloutOf('lossy')).toMatchObject({ state: 'running', stage: 0 });
    expect(await rolloutOf('crashing')).toMatchObject({ state: 'running', stage: 0, bakedMs: 0 });
    for (const flag of FLAGS) {
      const steps = await eventsOf(flag);
      expect(new Set(steps).size, `${flag}: ${steps.join(', ')}`).toBe(steps.length);
    }
    expect(fleet.printed).not.toContain('could not be decided');
  });
});
