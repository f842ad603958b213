#!/usr/bin/env node
// Unleash's server from npm, on an embedded PostgreSQL, beside bare node:http that sends what it sends. Reports, asserts nothing.
//   npm run build && node test/bench/server/unleash.mjs [--seconds 5] [--flags 1000]
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Unleash } from 'unleash-client';
import { startEmbeddedPostgres } from '../../../libs/embedded-postgres/dist/index.js';
import { note } from '../rows.mjs';
import { quantile, residentMiB, until } from './measure.mjs';
import { startBare } from './service.mjs';
import { wrk } from './wrk.mjs';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    flags: { type: 'string', default: '1000' },
    toggles: { type: 'string', default: '10' },
  },
});
const FLAGS = Number(values.flags);
const TOKENS = {
  admin: '*:*.unleash-admin-token-of-this-benchmark',
  client: 'default:development.unleash-client-token-of-this-benchmark',
  frontend: 'default:development.unleash-frontend-token-of-this-benchmark',
};

const say = (row, text) => {
  note({ group: 'server', of: 'Unleash', ...row });
  console.log(text);
};

const dataDir = await mkdtemp(join(tmpdir(), 'unleash-bench-'));
const postgres = await startEmbeddedPostgres({ dataDir });
try {
  const first = await start();
  await fill(first.url);
  await stop(first);
  const service = await start();
  say(
    { what: 'start to ready on an existing database', value: service.readyMs / 1_000, unit: ' s' },
    `start to ready on an existing database: ${service.readyMs} ms`,
  );
  await measure(service);
  await stop(service);
} finally {
  await postgres.stop();
  await rm(dataDir, { recursive: true, force: true });
}
process.exit(0);

async function start() {
  const begun = performance.now();
  const port = 20_000 + Math.floor(Math.random() * 20_000);
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('../node_modules/unleash-server/dist/server.js', import.meta.url))],
    {
      env: {
        PATH: process.env.PATH,
        NODE_ENV: 'production',
        PORT: String(port),
        HTTP_HOST: '127.0.0.1',
        DATABASE_URL: postgres.url,
        DATABASE_SSL: 'false',
        LOG_LEVEL: 'error',
        CHECK_VERSION: 'false',
        SEND_TELEMETRY: 'false',
        INIT_ADMIN_API_TOKENS: TOKENS.admin,
        INIT_CLIENT_API_TOKENS: TOKENS.client,
        INIT_FRONTEND_API_TOKENS: TOKENS.frontend,
      },
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  process.once('exit', () => child.kill('SIGKILL'));
  const url = `http://127.0.0.1:${port}`;
  await until(() => fetch(`${url}/health`).then((answer) => answer.ok));
  return { url, child, pid: child.pid, readyMs: Math.round(performance.now() - begun) };
}

async function stop({ child }) {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}

async function ask(url, token, path, init = {}) {
  const answer = await fetch(`${url}${path}`, {
    ...init,
    headers: { authorization: token, 'content-type': 'application/json', ...init.headers },
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer;
}

/** As many flags as asked for, each on for 25 % by the strategy that Unleash recommends. */
async function fill(url) {
  const post = (path, body) => ask(url, TOKENS.admin, path, { method: 'POST', body: JSON.stringify(body) });
  const make = async (name) => {
    const flag = `/api/admin/projects/default/features/${name}/environments/development`;
    const parameters = { rollout: '25', stickiness: 'userId', groupId: name };
    await post('/api/admin/projects/default/features', { name, type: 'release' });
    await post(`${flag}/strategies`, { name: 'flexibleRollout', parameters, constraints: [] });
    await post(`${flag}/on`);
  };
  const names = Array.from({ length: FLAGS }, (_, index) => `flag-${index}`);
  const worker = async () => {
    for (let name = names.shift(); name !== undefined; name = names.shift()) await make(name);
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
}

async function measure(service) {
  const { url, pid } = service;
  const client = { authorization: TOKENS.client, 'accept-encoding': 'gzip' };
  // What it caches is filled by asking.
  const snapshot = await ask(url, TOKENS.client, '/api/client/features', { headers: client });
  const { features } = await snapshot.json();
  if (features.length !== FLAGS) throw new Error(`${features.length} flags and not ${FLAGS}`);
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  say(
    { what: `memory, idle with ${FLAGS} flags`, value: residentMiB(pid), unit: ' MiB' },
    `idle with ${FLAGS} flags: ${residentMiB(pid)} MiB`,
  );

  const metrics = JSON.stringify({
    appName: 'bench',
    instanceId: 'process-1',
    bucket: {
      start: new Date(Date.now() - 10_000),
      stop: new Date(),
      toggles: Object.fromEntries(
        Array.from({ length: 20 }, (_, index) => [`flag-${index}`, { yes: 25, no: 75, variants: {} }]),
      ),
    },
  });
  for (const [what, path, headers, body] of [
    [`snapshot of ${FLAGS} flags, gzip`, '/api/client/features', client],
    [
      `snapshot of ${FLAGS} flags, 304`,
      '/api/client/features',
      { ...client, 'if-none-match': snapshot.headers.get('etag') },
    ],
    ['all flags for a user over HTTP', '/api/frontend?userId=user-1', { authorization: TOKENS.frontend }],
    [
      'intake of 20 counters',
      '/api/client/metrics',
      { authorization: TOKENS.client, 'content-type': 'application/json' },
      metrics,
    ],
  ]) {
    const answer = await fetch(`${url}${path}`, { method: body === undefined ? 'GET' : 'POST', headers, body });
    const length = Number(answer.headers.get('content-length') ?? (await answer.arrayBuffer()).byteLength);
    const bare = await startBare(length);
    const options = { headers, body, seconds: Number(values.seconds) };
    const ours = wrk(`${url}${path}`, pid, options);
    const reference = wrk(`${bare.url}/${what.endsWith('304') ? '304' : ''}`, bare.child.pid, options);
    bare.child.kill('SIGKILL');
    const ratio = ours.perCpu / reference.perCpu;
    say(
      {
        what: `${what}, against bare node:http`,
        value: ratio,
        more: `${ours.perSecond} and ${reference.perSecond} requests a second`,
      },
      `${what} (${answer.status}): ${ours.perSecond}/s, bare node:http ${reference.perSecond}/s; by processor time ${ratio.toFixed(3)}`,
    );
  }
  await toggles(url);
}

/** From the answer to a toggle until an SDK that polls each second, the fastest that is sensible, has it. */
async function toggles(url) {
  const sdk = new Unleash({
    url: `${url}/api`,
    appName: 'bench',
    customHeaders: { authorization: TOKENS.client },
    refreshInterval: 1_000,
    disableMetrics: true,
    skipInstanceCountWarning: true,
  });
  sdk.on('error', () => undefined);
  sdk.on('warn', () => undefined);
  await new Promise((resolve) => sdk.once('synchronized', resolve));
  const times = [];
  for (let count = 0; count < Number(values.toggles); count++) {
    const on = count % 2 === 1;
    await ask(
      url,
      TOKENS.admin,
      `/api/admin/projects/default/features/flag-7/environments/development/${on ? 'on' : 'off'}`,
      { method: 'POST' },
    );
    const answered = performance.now();
    await until(async () => sdk.getFeatureToggleDefinition('flag-7').enabled === on);
    times.push(performance.now() - answered);
  }
  sdk.destroy();
  say(
    { what: 'toggle answered → seen in the SDK, polling each second, p50', value: quantile(times, 0.5), unit: ' ms' },
    `toggle answered → seen in the SDK, polling each second: p50 ${quantile(times, 0.5)} ms, p99 ${quantile(times, 0.99)} ms`,
  );
}
