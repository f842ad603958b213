#!/usr/bin/env node
// How many reports a second one replica counts, stored in Postgres, against a bare node:http server that reads and parses the same bodies.
// The load is bounded: so many connections, one request each at a time. Reports, asserts nothing. Believe the processor time on a busy machine.
//   npm run build && node test/bench/server/outcomes.mjs [--seconds 5] [--connections 64] [--rounds 2]
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { note } from '../rows.mjs';
import { START } from './service.mjs';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    connections: { type: 'string', default: '64' },
    rounds: { type: 'string', default: '2' },
    bare: { type: 'string' },
  },
});
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const ADMIN = 'an-admin-token-that-only-this-benchmark-knows';
const HEAD = { v: 1, instance: 'process-1', ageMs: 0, spanMs: 10_000, dropped: 0 };

if (values.bare === undefined) await main();
else serveBare(Number(values.bare));

async function main() {
  const dataDir = await mkdtemp(join(tmpdir(), 'fledge-bench-'));
  const service = await start(START, {
    FLEDGE_DATA_DIR: dataDir,
    FLEDGE_ADMIN_TOKEN: ADMIN,
    FLEDGE_LIMIT_SDK_PER_SECOND: '0',
    FLEDGE_LIMIT_ADDRESS_PER_SECOND: '0',
    NODE_ENV: 'production',
    LOG_LEVEL: 'warn',
  });
  const bare = await start([fileURLToPath(import.meta.url), '--bare'], {}, true);
  try {
    await until(() => fetch(`${service.url}/health/ready`).then((answer) => answer.ok));
    await until(() => fetch(bare.url, { method: 'POST', body: '{}' }).then((answer) => answer.ok));
    const { key, rollouts } = await fill(service.url);
    const outcomes = () => outcomeReport(rollouts);
    console.log(
      `Node ${process.version}, ${values.connections} connections; a report of outcomes has ${outcomes().length} bytes, one of exposures ${exposureReport().length}`,
    );
    for (let round = 1; round <= Number(values.rounds); round += 1) {
      console.log(`round ${round}`);
      for (const [name, path, make] of [
        ['20 counters of exposures', '/sdk/v1/exposures', exposureReport],
        ['outcomes of two arms', '/sdk/v1/outcomes', outcomes],
      ]) {
        const reference = await load(bare, path, key, make);
        const counted = await load(service, path, key, make);
        const line = (who, { rate, cpu, failed }) =>
          `    ${who.padEnd(16)} ${rate.toFixed(0).padStart(6)}/s   ${cpu.toFixed(0).padStart(5)} µs of processor each${failed ? `   ${failed} refused` : ''}`;
        console.log(
          `  ${name}: 1/${(reference.rate / counted.rate).toFixed(1)} of the reference, 1/${(counted.cpu / reference.cpu).toFixed(1)} by processor time of the process`,
        );
        note({
          group: 'server',
          what: `intake of ${name}, stored in PostgreSQL, against bare node:http`,
          value: reference.cpu / counted.cpu,
          bar: 1 / 8,
          atLeast: true,
          more: `${counted.rate.toFixed(0)} and ${reference.rate.toFixed(0)} reports a second`,
        });
        console.log(line('bare node:http', reference));
        console.log(line('fledge', counted));
      }
    }
  } finally {
    bare.process.kill();
    service.process.kill('SIGTERM');
    await new Promise((resolve) => service.process.once('exit', resolve));
    await rm(dataDir, { recursive: true, force: true });
  }
}

/** Ten flags with live rollouts. */
async function fill(url) {
  const api = async (method, path, body) => {
    const answer = await fetch(`${url}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${ADMIN}`, 'content-type': 'application/json', 'if-match': '*' },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
  const key = (
    await api('POST', '/tokens', { name: 'bench', kind: 'sdk', project: 'default', environment: 'production' })
  ).token;
  const rollouts = [];
  const at = '/projects/default/environments/production';
  for (let n = 0; n < 10; n += 1) {
    await api('POST', '/projects/default/flags', { key: `flag-${n}`, type: 'boolean' });
    await api('PUT', `${at}/flags/flag-${n}`, {
      enabled: true,
      offVariant: 'off',
      prerequisites: [],
      rules: [],
      fallthrough: { variant: 'off' },
    });
    const { id, epoch } = await api('POST', `${at}/rollouts`, { flag: `flag-${n}`, canary: 'on', plan: 'standard' });
    rollouts.push({ rollout: id, epoch });
  }
  return { key, rollouts };
}

function exposureReport() {
  const items = Array.from({ length: 20 }, (_, n) => ({
    flag: `flag-${n >> 1}`,
    variant: n & 1 ? 'on' : 'off',
    n: n + 1,
  }));
  return JSON.stringify({ ...HEAD, id: randomUUID(), items });
}

function outcomeReport(rollouts) {
  const { rollout, epoch } = rollouts[Math.floor(Math.random() * rollouts.length)];
  const groups = Array.from({ length: 64 }, (_, n) => n % 3);
  const sums = { n: 64, k: 3, a: 64, f: 3, r: 64, g: 3, N: groups, K: groups.map((n) => (n > 1 ? 1 : 0)) };
  const latency = { ...sums, lnms: [64, 4.1, 30], sketch: { o: 150, c: Array.from({ length: 100 }, (_, n) => n % 2) } };
  const item = (arm) => ({ rollout, epoch, arm, first: { n: 20, groups }, metrics: { errors: sums, latency } });
  return JSON.stringify({ ...HEAD, id: randomUUID(), items: [item('canary'), item('baseline')] });
}

/** One request at a time per connection. */
async function load(server, path, key, make) {
  const agent = new Agent({ keepAlive: true, maxSockets: Number(values.connections) });
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  let [done, failed] = [0, 0];
  const began = performance.now();
  const cpu = cpuOf(server.process.pid);
  const end = began + Number(values.seconds) * 1_000;
  const work = async () => {
    while (performance.now() < end) {
      const body = make();
      const status = await new Promise((resolve, reject) => {
        const sent = request(
          server.url + path,
          { method: 'POST', agent, headers: { ...headers, 'content-length': body.length } },
          (answer) => {
            answer.resume();
            answer.on('end', () => resolve(answer.statusCode));
          },
        );
        sent.on('error', reject);
        sent.end(body);
      });
      if (status < 300) done += 1;
      else failed += 1;
    }
  };
  await Promise.all(Array.from({ length: Number(values.connections) }, work));
  const seconds = (performance.now() - began) / 1_000;
  agent.destroy();
  return { rate: done / seconds, cpu: ((cpuOf(server.process.pid) - cpu) * 1e6) / done, failed };
}

/** Processor time of the process so far, in seconds. */
function cpuOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function serveBare(port) {
  createServer((incoming, response) => {
    const chunks = [];
    incoming.on('data', (chunk) => chunks.push(chunk));
    incoming.on('end', () => {
      JSON.parse(Buffer.concat(chunks).toString());
      response.writeHead(202, { 'content-type': 'application/json' }).end('{"counted":1,"isRepeated":false}');
    });
  }).listen(port, '127.0.0.1');
}

async function start(args, env, isBare = false) {
  const port = 20_000 + Math.floor(Math.random() * 20_000);
  const child = spawn(process.execPath, isBare ? [...args, String(port)] : args, {
    cwd: ROOT,
    env: { ...process.env, PORT: String(port), ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return { url: `http://127.0.0.1:${port}`, process: child };
}

async function until(ask) {
  for (let waited = 0; waited < 120_000; waited += 100) {
    if (await ask().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('gave up waiting');
}
