#!/usr/bin/env node
// Start, memory, snapshots, streams and the cost of a change, beside a bare node:http server in the same run. Reports, asserts nothing.
// On a machine that does other things besides, believe processor time and memory. Snapshots are measured where wrk is installed.
//   node test/bench/server/run.mjs [--streams 10000] [--toggles 200] [--seconds 5] [--only idle,broadcast] [--flags 1000]
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createClient } from '../../../sdk/dist/index.js';
import { note } from '../rows.mjs';
import { cpuMs, portOf, quantile, residentMiB, until } from './measure.mjs';
import { fill, hold, newKey, SETTINGS, START, startBare, toggle } from './service.mjs';
import { hasWrk, wrk } from './wrk.mjs';

const { values } = parseArgs({
  options: {
    streams: { type: 'string', default: '10000' },
    toggles: { type: 'string', default: '200' },
    seconds: { type: 'string', default: '5' },
    only: { type: 'string', default: 'idle,snapshots,toggles,broadcast,costOfChange' },
    flags: { type: 'string', default: '1000' },
  },
});
const STREAMS = Number(values.streams);
const TOGGLES = Number(values.toggles);
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

const dataDir = await mkdtemp(join(tmpdir(), 'fledge-bench-'));
try {
  const first = await startService();
  await fill(first.url, 'default', Number(values.flags));
  await stop(first);
  const service = await startService();
  console.log(
    `Node ${process.version}; start to ready on an existing embedded database: ${service.readyMs} ms wall, ${service.readyCpuMs} ms of processor time of the service (bar: 3 s)`,
  );
  note({
    group: 'server',
    what: 'start to ready on an existing embedded database',
    value: service.readyMs / 1_000,
    unit: ' s',
    bar: 3,
    more: `${(service.readyCpuMs / 1_000).toFixed(1)} s of processor time`,
  });
  for (const part of [idle, snapshots, toggles, broadcast, costOfChange])
    if (values.only.split(',').includes(part.name)) await part(service);
  await stop(service);
} finally {
  await rm(dataDir, { recursive: true, force: true });
}

async function idle({ url, pid }) {
  const key = await newKey(url);
  await fetch(`${url}/sdk/v1/snapshot`, { headers: { authorization: `Bearer ${key}` } }).then((answer) =>
    answer.text(),
  );
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  console.log(`idle with ${values.flags} flags, their snapshot held: ${residentMiB(pid)} MiB (bar: 150 MiB)`);
  note({
    group: 'server',
    what: `memory, idle with ${values.flags} flags`,
    value: residentMiB(pid),
    unit: ' MiB',
    bar: 150,
  });
}

/** Requests per second of processor time: what both servers would do on a core of their own. */
async function snapshots({ url, pid }) {
  if (!hasWrk()) return console.log('snapshots: not measured, wrk is not installed');
  const key = await newKey(url);
  const headers = { authorization: `Bearer ${key}`, 'accept-encoding': 'gzip' };
  const answer = await raw(`${url}/sdk/v1/snapshot`, headers);
  const bare = await startBare(answer.length);
  for (const [name, more, bar] of [
    ['gzip', {}, 1 / 2],
    ['304', { 'if-none-match': answer.etag }, 1 / 3],
  ]) {
    const options = { headers: { ...headers, ...more }, seconds: Number(values.seconds) };
    const ours = wrk(`${url}/sdk/v1/snapshot`, pid, options);
    const reference = wrk(`${bare.url}/${name}`, bare.child.pid, options);
    note({
      group: 'server',
      what: `snapshot of ${values.flags} flags, ${name}, against bare node:http`,
      value: ours.perCpu / reference.perCpu,
      bar,
      atLeast: true,
      more: `${ours.perSecond} and ${reference.perSecond} requests a second`,
    });
    console.log(
      `snapshot of ${values.flags} flags, ${name}${name === 'gzip' ? ` (${answer.length} bytes)` : ''}: ${ours.perSecond}/s, bare node:http ${reference.perSecond}/s; ` +
        `per second of processor time ${ours.perCpu} and ${reference.perCpu}: ${(ours.perCpu / reference.perCpu).toFixed(2)} (bar: ${bar.toFixed(2)})`,
    );
  }
  bare.child.kill('SIGKILL');
}

/** From the answer to a toggle until an SDK has it, among 1,000 streams. */
async function toggles({ url }) {
  const holder = await hold(url, 1_000);
  const client = createClient({ url, sdkKey: await newKey(url) });
  await client.ready();
  let seen = () => undefined;
  client.on('change', () => seen());
  const times = [];
  for (let count = 0; count < TOGGLES; count++) {
    const arrived = new Promise((resolve) => {
      seen = () => resolve(performance.now());
    });
    await toggle(url, 'default', count % 2 === 0);
    const answered = performance.now();
    times.push(Math.max(0, (await arrived) - answered));
  }
  console.log(
    `toggle answered → seen in the SDK, 1,000 streams open: p50 ${quantile(times, 0.5)} ms, p99 ${quantile(times, 0.99)} ms (bar: 20 and 100 ms)`,
  );
  for (const [name, share, bar] of [
    ['p50', 0.5, 20],
    ['p99', 0.99, 100],
  ])
    note({
      group: 'server',
      what: `toggle answered → seen in the SDK, 1,000 streams open, ${name}`,
      value: quantile(times, share),
      unit: ' ms',
      bar,
    });
  await client.close();
  await holder.release();
}

/** Memory per stream, and the time of one event from the request to the last of all streams; the same of a bare server. */
async function broadcast({ url, pid }) {
  const before = residentMiB(pid);
  const holder = await hold(url, STREAMS);
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  const perStream = ((residentMiB(pid) - before) * 1_024) / STREAMS;
  const times = [];
  for (let count = 0; count < 10; count++) {
    const version = await toggleVersion(url, count);
    times.push((await holder.last(version.id)) - version.answered);
  }
  const bare = await startBare(0);
  const reference = await hold(bare.url, STREAMS);
  const bareTimes = [];
  for (let count = 1; count <= 10; count++) {
    const begun = Date.now();
    await fetch(`${bare.url}/broadcast?id=${count}`, { method: 'POST' });
    bareTimes.push((await reference.last(String(count))) - begun);
  }
  console.log(
    `${STREAMS} streams in one process: ${perStream.toFixed(1)} kB each (bar: 20), a toggle's answer → the last of them p50 ${quantile(times, 0.5)} ms, ` +
      `bare node:http ${quantile(bareTimes, 0.5)} ms (bar: 400 ms)`,
  );
  note({ group: 'server', what: `memory for each of ${STREAMS} streams`, value: perStream, unit: ' kB', bar: 20 });
  note({
    group: 'server',
    what: `toggle answered → the last of ${STREAMS} streams has it`,
    value: quantile(times, 0.5),
    unit: ' ms',
    bar: 400,
    more: `bare node:http ${quantile(bareTimes, 0.5)} ms`,
  });
  await reference.release();
  bare.child.kill('SIGKILL');
  await holder.release();
}

/** What a toggle costs the service with 10 flags and with 10,000, and what goes over the wire. */
async function costOfChange({ url, pid }) {
  const costs = [];
  for (const [project, flags] of [
    ['small', 10],
    ['large', 10_000],
  ]) {
    await fill(url, project, flags);
    const holder = await hold(url, 1, project);
    for (let count = 0; count < 50; count++) await toggle(url, project, count % 2 === 0);
    const before = cpuMs(pid);
    for (let count = 0; count < TOGGLES; count++) await toggle(url, project, count % 2 === 0);
    costs.push((cpuMs(pid) - before) / TOGGLES);
    const { bytes } = await holder.report();
    console.log(
      `a toggle among ${flags} flags: ${bytes} bytes to each stream (bar: 2,000), ${costs.at(-1).toFixed(1)} ms of processor time`,
    );
    note({
      group: 'server',
      what: `bytes to a stream for a toggle among ${flags} flags`,
      value: bytes,
      unit: ' B',
      bar: 2_000,
    });
    note({
      group: 'server',
      what: `processor time of a toggle among ${flags} flags`,
      value: costs.at(-1),
      unit: ' ms',
    });
    await holder.release();
  }
}

async function startService() {
  const begun = performance.now();
  const child = spawn(process.execPath, START, {
    cwd: ROOT,
    env: {
      PATH: process.env.PATH,
      PORT: '0',
      FLEDGE_DATA_DIR: dataDir,
      ...SETTINGS,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const url = await portOf(child, /http:\/\/localhost:\d+/);
  await until(() => fetch(`${url}/health/ready`).then((answer) => answer.ok));
  return {
    url: url.replace('localhost', '127.0.0.1'),
    child,
    pid: child.pid,
    readyMs: Math.round(performance.now() - begun),
    readyCpuMs: cpuMs(child.pid),
  };
}

async function stop({ child }) {
  child.kill('SIGTERM');
  await new Promise((resolve) => child.once('exit', resolve));
}

async function toggleVersion(url, count) {
  const { version } = await toggle(url, 'default', count % 2 === 0);
  return { id: String(version), answered: Date.now() };
}

async function raw(url, headers) {
  const answer = await fetch(url, { headers });
  await answer.arrayBuffer();
  return { length: Number(answer.headers.get('content-length')), etag: answer.headers.get('etag') };
}
