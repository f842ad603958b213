import { questions, Outgoing } from '@fledge/api';
import { createDataSource, GateAsking, Sealer, SecretStore, type RolloutDocument } from '@fledge/store';
import { Webhook } from 'standardwebhooks';
import type { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startApi, type TestApi } from '../support/api.js';
import { CanaryClock, HEALTHY } from '../support/canary-clock.js';
import { Receiver } from '../support/receiver.js';
import { ROLLOUTS, SHORT_PLAN, startRollout, steer } from '../support/rollout.js';

let api: TestApi;
let dataSource: DataSource;
let receiver: Receiver;
let clock: CanaryClock | undefined;

beforeAll(async () => {
  api = await startApi({ FLEDGE_RECONCILER: 'off', FLEDGE_WEBHOOK_HTTP: 'on', FLEDGE_WEBHOOK_ADDRESSES: '127.0.0.1' });
  dataSource = await createDataSource({ url: api.databaseUrl, poolSize: 2 }).initialize();
});
beforeEach(async () => {
  receiver = await Receiver.start();
});
afterEach(async () => {
  await clock?.close();
  clock = undefined;
  await receiver.stop();
});
afterAll(async () => {
  await dataSource.destroy();
  await api.stop();
});

const newAsking = (): GateAsking => new GateAsking(dataSource, new Sealer(new SecretStore(dataSource)));

/** What the service does, at times that the test says; answers whether there was something to ask. */
async function ask(canary: CanaryClock, outgoing: Outgoing = api.runtime.outgoing): Promise<boolean> {
  const asking = newAsking();
  const at = (): Date => new Date(canary.now);
  const timed: Parameters<typeof questions>[0] = {
    claim: () => asking.claim(at()),
    secretsOf: (gate) => asking.secretsOf(gate),
    answer: (question, said) => asking.answer(question, said, at()),
    release: (question) => asking.release(question),
  };
  const carry = await questions(timed, outgoing)(new AbortController().signal);
  await carry?.();
  return carry !== undefined;
}

async function begin(flag: string, gates: readonly object[]): Promise<CanaryClock> {
  const [first, ...others] = SHORT_PLAN.stages;
  const plan = { ...SHORT_PLAN, stages: [{ ...first, gates }, ...others] };
  clock = await CanaryClock.of(api, await startRollout(api, flag, { plan }));
  return clock;
}

const gate = (path = ''): object => ({ type: 'webhook', url: `${receiver.url}/gate${path}` });

async function eventsOf({ id }: RolloutDocument): Promise<string[]> {
  const { body } = await api.admin.get(`${ROLLOUTS}/${id}/events?limit=200`).expect(200);
  return (body as { items: { type: string }[] }).items.map(({ type }) => type);
}

describe('a webhook gate', () => {
  it('is asked when everything else is there, again until it says yes, and then the rollout goes on', async () => {
    receiver.answer = (_received, response, n) => {
      const answers = [
        [503],
        [200, '{"open": false, "reason": "the\\u0000 load test runs"}'],
        [200, '{"open": true, "reason": "fine"}'],
      ];
      const [status = 0, body] = answers[n] ?? [];
      response.writeHead(Number(status)).end(body);
    };
    const canary = await begin('asking', [gate()]);
    await canary.pass(3, HEALTHY);
    expect(await ask(canary)).toBe(false);
    expect(await canary.pass(6, HEALTHY)).toMatchObject({
      phase: 'awaiting_gate',
      reasons: ['gate_webhook'],
      gates: {},
    });
    expect(await ask(canary)).toBe(true);
    expect((await canary.read()).gates).toMatchObject({ 0: { open: false, detail: `${receiver.url} answered 503.` } });
    // Not again at once.
    expect(await ask(canary)).toBe(false);
    await canary.pass(3, HEALTHY);
    expect(await ask(canary)).toBe(true);
    expect((await canary.read()).gates).toMatchObject({
      0: { open: false, detail: `${receiver.url} says no: the  load test runs` },
    });
    await canary.pass(3, HEALTHY);
    expect(await ask(canary)).toBe(true);
    await canary.decide();
    expect(await canary.read()).toMatchObject({ phase: 'baking', stage: 1, gates: {} });
    expect(await eventsOf(canary.rollout)).toEqual(['started', 'awaiting_gate', 'gate_opened', 'advanced']);
    const [question] = receiver.messages();
    expect(question).toMatchObject({
      type: 'rollout.gate',
      data: {
        project: 'default',
        environment: 'production',
        flag: 'asking',
        rollout: { id: canary.rollout.id, stage: 0 },
        next: 50,
      },
    });
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(3);
  });

  it('is asked with a signature when its address is a webhook of the project', async () => {
    const made = await api.admin
      .post('/projects/default/webhooks', { key: 'gate', url: `${receiver.url}/gate/signed`, events: [] })
      .expect(201);
    const canary = await begin('signing', [gate('/signed'), gate('/unsigned')]);
    await canary.pass(9, HEALTHY);
    await ask(canary);
    const signed = receiver.received.find(({ path }) => path === '/gate/signed');
    const headers = Object.fromEntries(
      Object.entries(signed?.headers ?? {}).map(([name, value]) => [name, String(value)]),
    );
    const message = new Webhook((made.body as { secret: string }).secret).verify(signed?.body ?? '', headers);
    expect(message).toMatchObject({ type: 'rollout.gate' });
    const unsigned = receiver.received.find(({ path }) => path === '/gate/unsigned');
    expect(unsigned?.headers).not.toHaveProperty('webhook-signature');
    await canary.decide();
    expect(await canary.read()).toMatchObject({ stage: 1 });
  });

  it('leaves an approval for the end', async () => {
    const canary = await begin('waiting', [{ type: 'approval' }, gate()]);
    expect(await canary.pass(9, HEALTHY)).toMatchObject({ reasons: ['gate_webhook'] });
    await ask(canary);
    await canary.decide();
    expect(await canary.read()).toMatchObject({ phase: 'awaiting_gate', reasons: ['awaiting_approval'] });
    expect(await ask(canary)).toBe(false);
    await steer(api.admin, canary.rollout.id, 'approve').expect(200);
    expect(await canary.pass(1, HEALTHY)).toMatchObject({ stage: 1 });
  });

  it('is not asked while a calendar window is closed: by the time it opens the yes would be old', async () => {
    const inThreeDays = new Date(Date.now() + 3 * 86_400_000).getUTCDay();
    const days = [['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'][inThreeDays]];
    const closed = { type: 'window', days, from: '00:00', to: '00:00', timeZone: 'UTC' };
    const canary = await begin('closed', [closed, gate()]);
    expect(await canary.pass(9, HEALTHY)).toMatchObject({ reasons: ['gate_window', 'gate_webhook'] });
    expect(await ask(canary)).toBe(false);
  });

  it('takes no answer that comes too late: the stage has been left meanwhile', async () => {
    const canary = await begin('late', [gate()]);
    await canary.pass(9, HEALTHY);
    const asking = newAsking();
    const question = await asking.claim(new Date(canary.now));
    expect(question?.gates).toMatchObject([{ index: 0, url: `${receiver.url}/gate` }]);
    // Nobody else asks meanwhile.
    expect(await asking.claim(new Date(canary.now))).toBeUndefined();
    await steer(api.admin, canary.rollout.id, 'jump', { stage: 0 }).expect(200);
    if (question === undefined) throw new Error('There is a question.');
    expect(await asking.answer(question, [{ index: 0, open: true, detail: 'yes' }])).toBe(false);
    expect(await canary.read()).toMatchObject({ stage: 0, phase: 'baking', gates: {} });
  });

  it('that leads inside is never asked, and says why it is closed', async () => {
    const canary = await begin('inside', [gate()]);
    await canary.pass(9, HEALTHY);
    await ask(canary, new Outgoing({ http: true, addresses: [], timeoutMs: 500 }));
    expect(receiver.received).toEqual([]);
    const detail = expect.stringContaining('not a public one (loopback)') as string;
    expect((await canary.read()).gates).toMatchObject({ 0: { open: false, detail } });
  });
});
