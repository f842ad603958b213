// What the measurements of a server have in common: a service in a state to be measured, and who listens to it.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { portOf } from './measure.mjs';

const ADMIN = 'an-admin-token-that-only-this-benchmark-knows';
const MOST_PER_KEY = 2_000;

/** What a service is started with, beside where it listens and where its data are. */
export const SETTINGS = {
  FLEDGE_ADMIN_TOKEN: ADMIN,
  LOG_LEVEL: 'error',
  NODE_ENV: 'production',
  // One address and one key ask for everybody here.
  FLEDGE_LIMIT_ADDRESS_PER_SECOND: '0',
  FLEDGE_LIMIT_MANAGEMENT_PER_SECOND: '0',
  FLEDGE_LIMIT_SDK_PER_SECOND: '0',
};

/** What `npm start` gives Node.js. */
export const START = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'))
  .scripts.start.split(' ')
  .slice(2);

/** The reference: bare node:http that sends so many bytes. */
export async function startBare(length) {
  const child = spawn(process.execPath, [fileURLToPath(new URL('bare.mjs', import.meta.url)), String(length)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return { child, url: await portOf(child, /http:\/\/127\.0\.0\.1:\d+/) };
}

/** A process of its own that holds streams and tells when an event has come to the last of them. */
export async function hold(url, count, project = 'default') {
  const keys = [];
  for (let held = 0; held < count; held += MOST_PER_KEY)
    keys.push(url.includes('127.0.0.1') ? await newKey(url, project).catch(() => 'none') : 'none');
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('holder.mjs', import.meta.url)), url, String(count), ...keys],
    { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
  );
  const answers = (type) =>
    new Promise((resolve) => {
      const listener = (message) => {
        if (message.type !== type) return;
        child.off('message', listener);
        resolve(message);
      };
      child.on('message', listener);
    });
  await answers('held');
  return {
    async last(id) {
      const answer = answers('last');
      child.send({ type: 'last', id });
      return (await answer).at;
    },
    async report() {
      const answer = answers('report');
      child.send({ type: 'report' });
      return answer;
    },
    async release() {
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('exit', resolve));
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    },
  };
}

async function api(url, method, path, body) {
  const answer = await fetch(`${url}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${ADMIN}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

/** So many flags in a project, which is made unless it is the one that a first start makes. */
export async function fill(url, project, flags) {
  if (project !== 'default') {
    await api(url, 'POST', '/projects', { key: project });
    await api(url, 'POST', `/projects/${project}/environments`, { key: 'production' });
  }
  for (let index = 0; index < flags; index += 10)
    await Promise.all(
      Array.from({ length: 10 }, (_, more) =>
        api(url, 'POST', `/projects/${project}/flags`, {
          key: `flag-${index + more}`,
          type: 'boolean',
          tags: ['bench'],
        }),
      ),
    );
}

/** A new SDK key. */
export async function newKey(url, project = 'default') {
  return (await api(url, 'POST', '/tokens', { name: 'bench', kind: 'sdk', project, environment: 'production' })).token;
}

/** Turns one flag on or off; resolves to its targeting. */
export function toggle(url, project, on) {
  return api(url, 'POST', `/projects/${project}/environments/production/flags/flag-7/${on ? 'enable' : 'disable'}`, {});
}
