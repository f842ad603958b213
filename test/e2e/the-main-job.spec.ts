import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeDirectory, ROOT, startService, temporaryDirectory, type Service } from '../support/service.js';

const run = promisify(execFile);

type Gate = {
  readonly salt: string;
  readonly parts: number;
  readonly admitted: number;
  readonly firstFive: readonly string[];
};

const gates = JSON.parse(
  readFileSync(new URL('../conformance/vectors/gates.json', import.meta.url), 'utf8'),
) as readonly Gate[];

/** What an application in a process of its own sees: which of user-0 … user-9999 get the flag. */
const APPLICATION = `
import { createClient } from '@fledge/sdk';
const [url, sdkKey] = process.argv.slice(2);
const flags = createClient({ url, sdkKey, mode: 'poll' });
await flags.ready({ timeoutMs: 10_000 });
const users = Array.from({ length: 10_000 }, (_, i) => \`user-\${i}\`);
console.log(JSON.stringify(users.filter((targetingKey) => flags.boolean('new-checkout', { targetingKey }, false))));
await flags.close();
`;

let directory: string;
let service: Service;
let secrets: { readonly adminToken: string; readonly sdkKeys: Readonly<Record<string, string>> };

beforeAll(async () => {
  directory = await temporaryDirectory();
  service = await startService(join(directory, 'data'));
  secrets = JSON.parse(await readFile(join(directory, 'data', 'secrets.json'), 'utf8')) as typeof secrets;
  await run('npm', ['run', 'build', '--workspace', 'sdk'], { cwd: ROOT });
  const packed = await run('npm', ['pack', '--json', '--pack-destination', directory], { cwd: join(ROOT, 'sdk') });
  const [tarball] = JSON.parse(packed.stdout.slice(packed.stdout.indexOf('['))) as { filename: string }[];
  await writeFile(join(directory, 'package.json'), '{"type":"module","private":true}');
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', join(directory, tarball?.filename ?? '')], {
    cwd: directory,
  });
  await writeFile(join(directory, 'application.js'), APPLICATION);
}, 120_000);

afterAll(async () => {
  await service.stop();
  await removeDirectory(directory);
});

async function api(method: string, path: string, body?: unknown): Promise<unknown> {
  const answer = await fetch(`${service.url}/api/v1/projects/default${path}`, {
    method,
    headers: { authorization: `Bearer ${secrets.adminToken}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return JSON.parse(text);
}

async function whoGetsIt(environment = 'production'): Promise<string[]> {
  const { stdout } = await run(process.execPath, ['application.js', service.url, secrets.sdkKeys[environment] ?? ''], {
    cwd: directory,
    maxBuffer: 10_000_000,
  });
  return JSON.parse(stdout) as string[];
}

const flag = '/environments/production/flags/new-checkout';

describe('the main job, with the service and the packed SDK in processes of their own', { timeout: 60_000 }, () => {
  it('admits exactly the users that the vectors count, at every percentage', async () => {
    await api('POST', '/flags', { key: 'new-checkout', type: 'boolean' });
    for (const { parts, admitted, firstFive } of gates.filter(
      (gate) => gate.salt === 'new-checkout' && [25_000, 33_333].includes(gate.parts),
    )) {
      await api('POST', `${flag}/percentage`, { percentage: parts / 1_000 });
      const users = await whoGetsIt();
      expect(users).toHaveLength(admitted);
      expect(users.slice(0, firstFive.length)).toEqual(firstFive);
    }
  });

  it('always turns it on for the cohort of our own team', async () => {
    await api('POST', '/cohorts', { key: 'staff', included: ['user-2', 'user-3'] });
    const { version } = (await api('GET', flag)) as { version: number };
    await api('PUT', flag, {
      version,
      enabled: true,
      offVariant: 'off',
      prerequisites: [],
      rules: [
        { id: 'staff', conditions: [{ cohorts: ['staff'] }], serve: { variant: 'on' } },
        { id: 'some', conditions: [], gate: { percentage: 25 }, serve: { variant: 'on' } },
      ],
      fallthrough: { variant: 'off' },
    });
    const users = await whoGetsIt();
    expect(users).toHaveLength(2_512);
    expect(users).toEqual(expect.arrayContaining(['user-2', 'user-3']));
  });

  it('keeps environments apart', async () => {
    expect(await whoGetsIt('development')).toEqual([]);
  });

  it('has everything that was acknowledged after a kill -9 of service and database', async () => {
    const writes = Array.from({ length: 20 }, (_, i) => `user-${100 + i}`);
    for (const unit of writes) await api('POST', '/cohorts/staff/members', { list: 'included', add: [unit] });
    await killAll(service);
    service = await startService(join(directory, 'data'));
    const users = await whoGetsIt();
    expect(users).toEqual(expect.arrayContaining(writes));
    const { items } = (await api('GET', '/changes?type=members')) as { items: unknown[] };
    expect(items).toHaveLength(20);
  });

  it('turns it off for everybody when an operator disables it', async () => {
    await api('POST', `${flag}/disable`, { comment: 'it hurts' });
    expect(await whoGetsIt()).toEqual([]);
  });

  it('prints no secret where there is no terminal, and keeps the file of secrets to its owner', async () => {
    const { mode } = await import('node:fs/promises').then(({ stat }) => stat(join(directory, 'data', 'secrets.json')));
    expect(mode & 0o777).toBe(0o600);
    expect(service.output()).toContain(join(directory, 'data', 'secrets.json'));
    for (const secret of [secrets.adminToken, ...Object.values(secrets.sdkKeys)])
      expect(service.output()).not.toContain(secret);
  });

  it('refuses a second service on the same data, and says what to do', async () => {
    await expect(startService(join(directory, 'data'))).rejects.toThrow(/already|in use|another/i);
  });
});

/** The service, then its database, with no chance to say goodbye. */
async function killAll({ process: child, dataDir }: Service): Promise<void> {
  const [postmaster] = (await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8')).split('\n');
  child.kill('SIGKILL');
  process.kill(Number(postmaster), 'SIGKILL');
  for (let waited = 0; waited < 5_000 && child.exitCode === null && child.signalCode === null; waited += 20)
    await sleep(20);
}
