#!/usr/bin/env node
// What reporting costs a call, above the evaluation itself: the SDK as it is built, a flag that a rollout watches and one that nobody does,
// a new user with every call and a few that return. Reports, asserts nothing.
//   npm run build && node test/bench/sdk/measured-call.mjs [--rounds 7] [--calls 200000]
import { parseArgs } from 'node:util';
import { createClient } from '@fledge/sdk';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '7' }, calls: { type: 'string', default: '200000' } },
});
const CALLS = Number(values.calls);
const ROUNDS = Number(values.rounds);

const flag = (key, rule) => ({
  key,
  type: 'boolean',
  enabled: true,
  variants: { on: true, off: false },
  offVariant: 'off',
  prerequisites: [],
  rules: [{ id: 'canary', conditions: [], serve: { variant: 'on' }, ...rule }],
  fallthrough: { variant: 'off' },
});
const gate = { percentage: 25, salt: 'salt', otherwise: 'off' };
const metrics = { errors: { count: 'unit_window' }, latency: { count: 'unit_window', over: 100 } };
const measure = {
  rollout: '0192f4a1-6b1e-4c3d-9a55-5d0f5f5b1c11',
  epoch: 7,
  canary: 'on',
  baseline: 'off',
  percentage: 25,
  metrics,
};
const bootstrap = {
  project: 'p',
  environment: 'e',
  version: 1,
  flags: { plain: flag('plain', { gate }), watched: flag('watched', { gate, measure }) },
  cohorts: {},
};
const fetch = async (_, { body }) => (body ? new Response(null, { status: 202 }) : new Promise(() => undefined));
const open = async (report) => {
  const client = createClient({ url: 'http://x', sdkKey: 'k', bootstrap, fetch, report });
  await client.flush();
  return client;
};
const silent = await open({ exposures: false, outcomes: false });
const loud = await open({});

const unit = (n) => `7b9c8f44-1f6e-4c3a-8d21-${String(n).padStart(12, '0')}`;
const few = Array.from({ length: 1_000 }, (_, n) => ({ targetingKey: unit(n) }));
const handlers = { on: () => 1, off: () => 0 };
let made = 0;
const newcomer = () => ({ targetingKey: unit((made += 1)) });
const returning = () => few[(made += 1) % few.length];

const cases = [
  ['evaluate, not watched', (client, next) => client.boolean('plain', next(), false)],
  ['evaluate, watched', (client, next) => client.boolean('watched', next(), false)],
  ['run, watched', (client, next) => client.run('watched', next(), handlers)],
  ['track + ok(ms), watched', (client, next) => client.track('watched', next()).ok(12)],
];

/** Nanoseconds per call; the least of the rounds, as everything else only adds. */
const time = (call) => {
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round += 1) {
    const began = process.cpuUsage();
    for (let n = 0; n < CALLS; n += 1) call();
    const { user, system } = process.cpuUsage(began);
    best = Math.min(best, ((user + system) * 1_000) / CALLS);
  }
  return best;
};

console.log(`Node ${process.version}, processor time per call in ns, the least of ${ROUNDS} rounds of ${CALLS}`);
for (const [users, next] of [
  ['a new user each', newcomer],
  ['1,000 users', returning],
]) {
  const context = time(next);
  const plain = time(() => silent.boolean('plain', next(), false)) - context;
  const base = time(() => silent.boolean('watched', next(), false)) - context;
  console.log(`${users}: evaluation alone ${plain.toFixed(0)}, of a watched flag ${base.toFixed(0)}`);
  for (const [name, call] of cases) {
    const all = time(() => call(loud, next)) - context;
    const above = all - (name === 'evaluate, not watched' ? plain : base);
    console.log(
      `  ${name.padEnd(26)} ${all.toFixed(0).padStart(6)}   above the evaluation ${above.toFixed(0).padStart(6)}`,
    );
  }
}
await loud.close();
await silent.close();
