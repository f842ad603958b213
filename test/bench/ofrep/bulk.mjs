#!/usr/bin/env node
// Evaluates all flags for a new user with every request, over HTTP, against a bare node:http server that sends a prepared answer of the
// same size. Reports, asserts nothing. On a machine that does other things besides, believe the processor time.
//   node test/bench/ofrep/bulk.mjs [--flags 1000] [--seconds 5] [--rounds 3]
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { note } from '../rows.mjs';
import { START } from '../server/service.mjs';

const { values } = parseArgs({
  options: {
    flags: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '10' },
    bare: { type: 'string' },
  },
});
const CONNECTIONS = Number(values.connections);
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const ADMIN = 'an-admin-token-that-only-this-benchmark-knows';

if (values.bare === undefined) await main();
else serveBare(Number(values.bare));

async function main() {
  const dataDir = await mkdtemp(join(tmpdir(), 'fledge-bench-'));
  const service = await start(START, {
    FLEDGE_DATA_DIR: dataDir,
    FLEDGE_ADMIN_TOKEN: ADMIN,
    FLEDGE_LIMIT_OFREP_PER_SECOND: '0',
    FLEDGE_LIMIT_ADDRESS_PER_SECOND: '0',
    NODE_ENV: 'production',
    LOG_LEVEL: 'warn',
  });
  try {
    await until(() => fetch(`${service.url}/health/ready`).then((answer) => answer.ok));
    const key = await fill(service.url, Number(values.flags));
    const ask = (n, path = '', extra = '') => {
      const body = `{"context":{"targetingKey":"7b9c8f44-1f6e-4c3a-8d21-${String(n).padStart(12, '0')}","country":"DE","plan":"pro"}}`;
      return `POST /ofrep/v1/evaluate/flags${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${key}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n${extra}\r\n${body}`;
    };
    const sample = await once(service, ask(0));
    const etag = /\r\netag: (\S+)/i.exec(sample.head)?.[1];
    const bare = await start([fileURLToPath(import.meta.url), '--bare', String(sample.length)], {});
    await until(() => once(bare, ask(0)).then(() => true));
    console.log(
      `${values.flags} flags with a 25 % gate each, an answer of ${sample.length} bytes, ${CONNECTIONS} connections, Node ${process.version}`,
    );
    let users = 0;
    const rounds = [];
    for (let round = 1; round <= Number(values.rounds); round += 1) {
      const reference = await load(bare, () => ask((users += 1)));
      const bulk = await load(service, () => ask((users += 1)));
      const same = await load(service, () => ask(0, '', `if-none-match: ${etag}\r\n`));
      const one = await load(service, () => ask((users += 1), '/flag-0007'));
      const report = (name, { rate, cpu }) =>
        console.log(
          `  ${name.padEnd(28)} ${rate.toFixed(0).padStart(7)}/s ${(rate / reference.rate).toFixed(3)} of the reference` +
            `   ${cpu.toFixed(0).padStart(6)} µs of processor each, 1/${(cpu / reference.cpu).toFixed(2)}`,
        );
      console.log(`round ${round}`);
      report('bare node:http', reference);
      report('all flags, a new user each', bulk);
      report('all flags, 304', same);
      report('one flag', one);
      rounds.push({ ratio: reference.cpu / bulk.cpu, rates: [bulk.rate, reference.rate] });
    }
    const { ratio, rates } = rounds.toSorted((a, b) => a.ratio - b.ratio)[Math.floor(rounds.length / 2)];
    note({
      group: 'server',
      what: `all ${values.flags} flags for a new user over HTTP, against bare node:http`,
      value: ratio,
      bar: 1 / 4,
      atLeast: true,
      more: `${rates.map((rate) => rate.toFixed(0)).join(' and ')} requests a second, the median of ${rounds.length} rounds`,
    });
    bare.process.kill();
  } finally {
    service.process.kill('SIGTERM');
    await new Promise((resolve) => service.process.once('exit', resolve));
    await rm(dataDir, { recursive: true, force: true });
  }
}

function serveBare(length) {
  const body = Buffer.alloc(length, 'x');
  const headers = { 'content-type': 'application/json; charset=utf-8', 'content-length': length, etag: '"x"' };
  createServer((request, response) => {
    request.resume();
    request.on('end', () => response.writeHead(200, headers).end(body));
  }).listen(Number(process.env.PORT), '127.0.0.1');
}

async function start(args, settings) {
  const port = 20_000 + Math.floor(Math.random() * 20_000);
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { ...process.env, ...settings, PORT: String(port) },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return { process: child, port, url: `http://127.0.0.1:${port}` };
}

async function until(isTrue) {
  for (let tries = 0; !(await isTrue().catch(() => false)); tries += 1) {
    if (tries > 1_200) throw new Error('not ready in a minute');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function fill(url, count) {
  const post = async (path, body) => {
    const answer = await fetch(`${url}/api/v1${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ADMIN}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
  for (let i = 0; i < count; i += 1) {
    const key = `flag-${String(i).padStart(4, '0')}`;
    await post('/projects/default/flags', { key, type: 'boolean' });
    await post(`/projects/default/environments/production/flags/${key}/percentage`, { percentage: 25 });
  }
  const { token } = await post('/tokens', {
    name: 'bench',
    kind: 'client',
    project: 'default',
    environment: 'production',
  });
  return token;
}

/** Requests answered per second: every connection sends the next when it has the last answer. */
async function load({ port, process: child }, next) {
  const sockets = Array.from({ length: CONNECTIONS }, () => connect(port, '127.0.0.1').setNoDelay(true));
  let answered = 0;
  for (const socket of sockets) {
    socket.on(
      'data',
      reader(() => {
        answered += 1;
        socket.write(next());
      }),
    );
    socket.write(next());
  }
  const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  await wait(1_500);
  const [before, from, used] = [answered, performance.now(), processorTime(child.pid)];
  await wait(Number(values.seconds) * 1_000);
  const count = answered - before;
  const rate = (count / (performance.now() - from)) * 1_000;
  const cpu = (processorTime(child.pid) - used) / count;
  for (const socket of sockets) socket.destroy();
  return { rate, cpu };
}

/** What a process has used so far, in microseconds; NaN where /proc is not to be had. */
function processorTime(pid) {
  try {
    const [utime, stime] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13);
    return (Number(utime) + Number(stime)) * 10_000;
  } catch {
    return Number.NaN;
  }
}

async function once({ port }, text) {
  const socket = connect(port, '127.0.0.1');
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on(
      'data',
      reader((head, length) => {
        socket.destroy();
        resolve({ head, length });
      }),
    );
    socket.write(text);
  });
}

/** Counts bytes to the end of each answer; anything but 200 and 304 ends the run. */
function reader(onAnswer) {
  let head = '';
  let length = 0;
  let left = -1;
  return (chunk) => {
    let rest = chunk;
    if (left < 0) {
      head += rest.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      if (!/^HTTP\/1.1 (200|304)/.test(head)) throw new Error(head);
      length = head.startsWith('HTTP/1.1 304') ? 0 : Number(/\r\ncontent-length: (\d+)/i.exec(head)[1]);
      left = length - (head.length - end - 4);
    } else left -= rest.length;
    if (left > 0) return;
    const [full, size] = [head, length];
    head = '';
    left = -1;
    onAnswer(full, size);
  };
}
