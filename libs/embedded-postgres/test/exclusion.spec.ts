import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { locateNative } from '../src/binaries.js';
import { EmbeddedPostgresError, startEmbeddedPostgres } from '../src/index.js';
import { ownerOf } from '../src/ownership.js';
import { routesFor, wrap } from '../src/route.js';
import { start } from '../src/start.js';
import { eventually, postmasterOf, query } from './support/observe.js';
import { type App, bundleApp, makeScratch, removeAll, startApp, urlOf } from './support/start-app.js';

let bundle = '';
let dataDir = '';

beforeAll(async () => {
  bundle = await bundleApp(await makeScratch());
  dataDir = await makeScratch();
  const postgres = await startEmbeddedPostgres({ dataDir, durable: false });
  await query(postgres.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
  await postgres.stop();
});
afterAll(removeAll);

/** Why a start was refused. */
async function refusal(starting: Promise<unknown>): Promise<EmbeddedPostgresError> {
  const error: unknown = await starting.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof EmbeddedPostgresError) return error;
  throw new Error('expected an EmbeddedPostgresError', { cause: error });
}

describe('one data directory', () => {
  it('refuses a second program and names the first, which goes on undisturbed', async () => {
    const first = await startApp(bundle, { dataDir });
    const second = await startApp(bundle, { dataDir });
    const pid = first.process.pid;
    expect(second.answer).toMatchObject({ problem: 'in-use', message: expect.stringContaining(`kill ${pid}`) });
    expect(await query(urlOf(first), 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    await first.end('SIGTERM');
  });

  it('is not taken from a living owner even when somebody removed the lock', async () => {
    const first = await startApp(bundle, { dataDir });
    await rm(join(dataDir, 'postgres.lock'));
    const second = await startApp(bundle, { dataDir });
    expect(second.answer).toMatchObject({ problem: 'in-use', message: expect.stringContaining('watches over') });
    expect(await query(urlOf(first), 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    await first.end('SIGTERM');
  });

  it('waits a moment for a predecessor that is just stopping', async () => {
    const first = await startApp(bundle, { dataDir });
    const second = startApp(bundle, { dataDir, lockWaitMs: 5_000 });
    await first.end('SIGTERM');
    const app = await second;
    expect(await query(urlOf(app), 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    await app.end('SIGTERM');
  });

  it('is given to exactly one of several programs that start at once', async () => {
    const apps = await Promise.all([1, 2, 3, 4].map(() => startApp(bundle, { dataDir })));
    expect(apps.filter((app) => 'url' in app.answer)).toHaveLength(1);
    expect(apps.filter((app) => 'problem' in app.answer && app.answer.problem === 'in-use')).toHaveLength(3);
    await Promise.all(apps.filter((app: App) => 'url' in app.answer).map((app) => app.end('SIGTERM')));
  });

  it('refuses the same program too, until it has stopped', async () => {
    const first = await startEmbeddedPostgres({ dataDir, durable: false });
    expect((await refusal(startEmbeddedPostgres({ dataDir }))).message).toContain('This process');
    await first.stop();
    const second = await startEmbeddedPostgres({ dataDir, durable: false });
    await second.stop();
  });

  it('leaves a server alone that somebody started by hand', async () => {
    const cluster = await ownerOf(join(dataDir, 'postgres'));
    const situation = {
      platform: process.platform,
      uid: process.getuid?.(),
      hasAccount: true,
      dataDir: cluster,
      cluster,
    };
    const [route = { kind: 'direct' }] = routesFor(situation);
    const args = ['-D', join(dataDir, 'postgres'), '-p', '19999', '-c', 'unix_socket_directories='];
    const command = wrap(route, join(locateNative(), 'bin', 'postgres'), args);
    const byHand = spawn(command.file, command.args, { ...command, stdio: 'ignore' });
    await eventually(
      () => postmasterOf(dataDir),
      (pid) => pid === byHand.pid,
    );
    const { problem, message } = await refusal(startEmbeddedPostgres({ dataDir }));
    expect({ problem, message }).toEqual({
      problem: 'in-use',
      message: expect.stringContaining(`kill -INT ${byHand.pid}`),
    });
    byHand.kill('SIGINT');
    await once(byHand, 'exit');
  });
});

describe('binaries that do not start here', () => {
  it('are explained with what they need and what else can be done', async () => {
    const native = await makeScratch();
    await mkdir(join(native, 'bin'));
    await writeFile(join(native, 'bin', 'postgres'), '#!/lib/ld-musl-of-another-machine.so\n', { mode: 0o755 });
    const { problem, message } = await refusal(start({ dataDir }, { native }));
    expect(problem).toBe('unsupported');
    expect(message).toMatch(/does not start.*glibc.*Alpine.*DATABASE_URL/s);
  });
});

describe('data that cannot be used', () => {
  it('of another major version is refused, with both versions named', async () => {
    const file = join(dataDir, 'postgres', 'PG_VERSION');
    const original = await readFile(file, 'utf8');
    await writeFile(file, '17\n');
    const { problem, message } = await refusal(startEmbeddedPostgres({ dataDir }));
    expect(problem).toBe('version');
    expect(message).toMatch(/is of PostgreSQL 17, but this Fledge brings PostgreSQL 18/);
    await writeFile(file, original);
  });

  it('without its password is refused, not replaced', async () => {
    const file = join(dataDir, 'postgres.json');
    await rename(file, `${file}.away`);
    expect((await refusal(startEmbeddedPostgres({ dataDir }))).message).toContain(`${file}, which holds the password`);
    await writeFile(file, JSON.stringify({ password: 'another' }));
    expect((await refusal(startEmbeddedPostgres({ dataDir }))).message).toContain('does not accept the password');
    await rename(`${file}.away`, file);
  });

  it('tells the last words of a server that cannot start, and leaves the lock free', async () => {
    const file = join(dataDir, 'postgres', 'postgresql.auto.conf');
    const original = await readFile(file, 'utf8');
    await writeFile(file, 'no_such_setting = on\n');
    const { problem, message } = await refusal(startEmbeddedPostgres({ dataDir }));
    expect(problem).toBe('failed');
    expect(message).toContain('unrecognized configuration parameter "no_such_setting"');
    expect(message).toContain(join(dataDir, 'postgres.log'));
    await writeFile(file, original);
    const postgres = await startEmbeddedPostgres({ dataDir, durable: false });
    expect(await query(postgres.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    await postgres.stop();
  });

  it('that is no cluster at all is left as it is', async () => {
    const other = await makeScratch();
    await mkdir(join(other, 'postgres'));
    await writeFile(join(other, 'postgres', 'precious.txt'), 'precious');
    expect((await refusal(startEmbeddedPostgres({ dataDir: other }))).message).toContain('PG_VERSION is missing');
    await rm(other, { recursive: true });
  });
});
