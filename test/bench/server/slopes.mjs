#!/usr/bin/env node
// What grows with what: the slopes that docs/scale.md reckons with. Reports, asserts nothing.
//   npm run build && node test/bench/server/slopes.mjs [--streams 4000] [--toggles 60] [--idle 20]
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { startEmbeddedPostgres } from '../../../libs/embedded-postgres/dist/index.js';
import { cpuMs, residentMiB, until } from './measure.mjs';
import { fill, hold, newKey, SETTINGS, toggle } from './service.mjs';

const { values } = parseArgs({
  options: {
    streams: { type: 'string', default: '4000' },
    toggles: { type: 'string', default: '60' },
    reports: { type: 'string', default: '600' },
    idle: { type: 'string', default: '20' },
  },
});
const STREAMS = Number(values.streams);
const TOGGLES = Number(values.toggles);
const REPORTS = Number(values.reports);
const IDLE_SECONDS = Number(values.idle);
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const FLAGS = 1_000;
const PROJECT = 'bench';
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const dataDir = await mkdtemp(join(tmpdir(), 'fledge-bench-'));
const postgres = await startEmbeddedPostgres({ dataDir });
const watcher = new pg.Client(postgres.url);
const replicas = [];
try {
  await watcher.connect();
  const first = await startReplica();
  await fill(first.url, PROJECT, FLAGS);
  await idle();
  await streams(first);
  await reports(first);
} finally {
  for (const { child } of replicas) child.kill('SIGKILL');
  await watcher.end();
  await postgres.stop();
  await rm(dataDir, { recursive: true, force: true });
}
process.exit(0);

/** What a replica asks of PostgreSQL, and uses, while nothing happens. */
async function idle() {
  for (let count = 1; count <= 3; count++) {
    if (count > 1) await startReplica();
    await sleep(3_000);
    const [before, cpu] = [await transactions(), cpuOfAll()];
    await sleep(IDLE_SECONDS * 1_000);
    const perSecond = (await transactions()) - before;
    console.log(
      `${count} idle replicas: ${(perSecond / IDLE_SECONDS).toFixed(1)} transactions a second, ${((cpuOfAll() - cpu) / IDLE_SECONDS / 10 / count).toFixed(2)} % of a core each, ${residentMiB(replicas[0].pid)} MiB, ${await connections()} connections to PostgreSQL`,
    );
  }
  for (const { child } of replicas.splice(1)) child.kill('SIGKILL');
}

/** Memory of a stream, and processor time of an event for each: what twice as many streams cost above half of them. */
async function streams({ url, pid }) {
  const measured = [];
  for (const held of [0, STREAMS / 2, STREAMS]) {
    const began = cpuMs(pid);
    const holder = held === 0 ? undefined : await hold(url, held, PROJECT);
    const opening = (cpuMs(pid) - began) / held;
    await sleep(2_000);
    const memory = residentMiB(pid);
    for (let count = 0; count < 10; count++) await toggle(url, PROJECT, count % 2 === 0);
    await sleep(500);
    const [cpu, before] = [cpuMs(pid), await transactions()];
    for (let count = 0; count < TOGGLES; count++) {
      await toggle(url, PROJECT, count % 2 === 0);
      // As far apart as changes of different people are, so that none of them is sent together.
      await sleep(30);
    }
    await sleep(1_000);
    measured.push({
      opening,
      memory,
      perToggle: (cpuMs(pid) - cpu) / TOGGLES,
      transactions: ((await transactions()) - before) / TOGGLES,
      bytes: (await holder?.report())?.bytes,
    });
    await holder?.release();
  }
  const [none, half, all] = measured;
  console.log(
    `a toggle: ${none.perToggle.toFixed(1)} ms of processor time without streams, ${none.transactions.toFixed(1)} transactions; ${all.bytes} bytes to each stream`,
  );
  console.log(
    `a stream: ${all.opening.toFixed(2)} ms of processor time to open, ${(((all.memory - none.memory) * 1_024) / STREAMS).toFixed(1)} kB; an event to a stream: ${(((all.perToggle - half.perToggle) * 1_000) / (STREAMS / 2)).toFixed(1)} µs of processor time`,
  );
}

/** What a report of 20 counters costs the replica and the database. */
async function reports({ url, pid }) {
  const key = await newKey(url, PROJECT);
  const items = Array.from({ length: 20 }, (_, n) => ({ flag: `flag-${n}`, variant: 'on', n: n + 1 }));
  const post = () =>
    fetch(`${url}/sdk/v1/exposures`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        v: 1,
        id: randomUUID(),
        instance: 'process-1',
        ageMs: 0,
        spanMs: 10_000,
        dropped: 0,
        items,
      }),
    }).then((answer) => answer.arrayBuffer());
  for (let count = 0; count < 50; count++) await post();
  const [cpu, before] = [cpuMs(pid), await transactions()];
  const worker = async (count) => {
    for (let done = 0; done < count; done++) await post();
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: 16 }, () => worker(Math.ceil(REPORTS / 16))));
  const seconds = (performance.now() - began) / 1_000;
  console.log(
    `a report of 20 counters: ${((cpuMs(pid) - cpu) / REPORTS).toFixed(2)} ms of processor time, ${(((await transactions()) - before) / REPORTS).toFixed(2)} transactions (${(REPORTS / seconds).toFixed(0)} a second from 16 connections)`,
  );
}

function cpuOfAll() {
  return replicas.reduce((sum, { pid }) => sum + cpuMs(pid), 0);
}

/** Transactions of the database so far; statistics are written with a delay of about a second. */
async function transactions() {
  await sleep(1_500);
  const { rows } = await watcher.query(
    'SELECT sum(xact_commit + xact_rollback) AS count FROM pg_stat_database WHERE datname = current_database()',
  );
  return Number(rows[0].count);
}

async function connections() {
  const { rows } = await watcher.query(
    'SELECT count(*) AS count FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  );
  return Number(rows[0].count);
}

async function startReplica() {
  const port = 20_000 + Math.floor(Math.random() * 20_000);
  const child = spawn(process.execPath, ['apps/api/dist/main.js'], {
    cwd: ROOT,
    env: {
      PATH: process.env.PATH,
      PORT: String(port),
      DATABASE_URL: postgres.url,
      ...SETTINGS,
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const url = `http://127.0.0.1:${port}`;
  await until(() => fetch(`${url}/health/ready`).then((answer) => answer.ok));
  const replica = { url, child, pid: child.pid };
  replicas.push(replica);
  return replica;
}
