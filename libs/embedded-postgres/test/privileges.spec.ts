import { spawnSync } from 'node:child_process';
import { chmod, chown, cp, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { locateNative } from '../src/binaries.js';
import { wrap } from '../src/route.js';
import type { AppOptions } from './support/app.js';
import { processesOn, query } from './support/observe.js';
import { type Surroundings, bundleApp, makeScratch, removeAll, startApp, urlOf } from './support/start-app.js';

const NOBODY = 65_534;
const WITHOUT_A_NAME = 54_321;
const isRoot = process.getuid?.() === 0;
const probe = wrap({ kind: 'namespace' }, 'true', []);
const namespaces = isRoot && spawnSync(probe.file, probe.args).status === 0;
const NO_NAMESPACES = 'this machine allows no user namespaces';
let bundle = '';
/** Below a directory that only root may enter: a copy of the package, and room for data. */
let closed = '';
let closedNative = '';

beforeAll(async () => {
  bundle = await bundleApp(await makeScratch());
  if (!isRoot) return;
  closed = await makeScratch(0o700);
  closedNative = await copyPackage(closed);
  // As an installation under umask 077 leaves them.
  for (const program of ['postgres', 'initdb']) await chmod(join(closedNative, 'bin', program), 0o700);
});
afterAll(removeAll);

async function copyPackage(to: string): Promise<string> {
  const copy = join(to, 'node_modules', 'postgres');
  await cp(join(locateNative(), '..'), copy, { recursive: true, verbatimSymlinks: true });
  return join(copy, 'native');
}

/** Starts, adds a row, stops without leaving a process; the number of rows, so that the n-th start must answer n. */
async function addsARow(
  dataDir: string,
  options: Partial<AppOptions> = {},
  around: Surroundings = {},
): Promise<unknown> {
  const app = await startApp(bundle, { dataDir, durable: false, ...options }, around);
  await query(urlOf(app), 'CREATE TABLE IF NOT EXISTS kept (at timestamptz)');
  await query(urlOf(app), 'INSERT INTO kept VALUES (now())');
  const rows = await query(urlOf(app), 'SELECT count(*)::int AS count FROM kept');
  await app.end('SIGTERM');
  expect(await processesOn(dataDir)).toEqual([]);
  return rows[0]?.['count'];
}

const userOf = async (path: string): Promise<number> => (await stat(path)).uid;

describe.skipIf(!isRoot)('as root (skipped when the tests do not run as root)', () => {
  it('runs below a directory that only root may enter, with binaries that lie there too', async (context) => {
    context.skip(!namespaces, NO_NAMESPACES);
    const dataDir = join(closed, 'data');
    expect(await addsARow(dataDir, { native: closedNative })).toBe(1);
    expect(await addsARow(dataDir, { native: closedNative })).toBe(2);
    expect(await userOf(join(dataDir, 'postgres'))).toBe(0);
    expect((await stat(closed)).mode & 0o777).toBe(0o700);
  });

  it('runs a copy of binaries that only root can reach as nobody, where user namespaces are blocked', async () => {
    const dataDir = await makeScratch(0o700);
    for (let start = 1; start <= 2; start++) {
      expect(await addsARow(dataDir, { noNamespaces: true, native: closedNative })).toBe(start);
      expect((await readdir(dataDir)).filter((entry) => entry.startsWith('postgres-binaries-'))).toHaveLength(1);
    }
    expect(await userOf(join(dataDir, 'postgres'))).toBe(NOBODY);
    expect(await userOf(join(dataDir, 'postgres.json'))).toBe(0);
  });

  it('says what to set where nobody else can reach the data directory', async () => {
    const { answer } = await startApp(bundle, { dataDir: join(closed, 'other'), noNamespaces: true });
    const message = expect.stringMatching(/cannot enter .*FLEDGE_DATA_DIR.*DATABASE_URL/);
    expect(answer).toMatchObject({ problem: 'unreachable', message });
  });

  it('hands a cluster of its own to nobody where user namespaces are blocked, and leaves it there', async (context) => {
    context.skip(!namespaces, NO_NAMESPACES);
    await chmod(closed, 0o755);
    const dataDir = join(closed, 'data');
    expect(await userOf(join(dataDir, 'postgres', 'base'))).toBe(0);
    expect(await addsARow(dataDir, { noNamespaces: true })).toBe(3);
    expect(await userOf(join(dataDir, 'postgres', 'base'))).toBe(NOBODY);
    expect(await addsARow(dataDir)).toBe(4);
    await chmod(closed, 0o700);
  });
});

describe.skipIf(!isRoot)('as an ordinary user (all other specs do when the tests do not run as root)', () => {
  it('runs from a package that it may not change and whose links were never made, and root leaves all theirs', async () => {
    await chmod(closed, 0o755);
    for (const program of ['postgres', 'initdb']) await chmod(join(closedNative, 'bin', program), 0o755);
    const libraries = join(closedNative, 'lib');
    for (const entry of await readdir(libraries, { withFileTypes: true })) {
      if (entry.isSymbolicLink()) await rm(join(libraries, entry.name));
    }
    const native = closedNative;
    const dataDir = join(closed, 'theirs');
    await mkdir(dataDir);
    await chown(dataDir, NOBODY, NOBODY);
    expect(await addsARow(dataDir, { native }, { uid: NOBODY })).toBe(1);
    expect(await readdir(dataDir)).toContain('postgres-links');

    // Root may make the links where they belong.
    expect(await addsARow(dataDir, { native })).toBe(2);
    expect(await readdir(libraries)).toContain('libpq.so.5');
    expect(await addsARow(dataDir, { native }, { uid: NOBODY })).toBe(3);
    await chmod(closed, 0o700);
  });

  it('without a name in /etc/passwd runs where user namespaces are allowed, and else says what to do', async (context) => {
    context.skip(!namespaces, NO_NAMESPACES);
    const dataDir = await makeScratch(0o777);
    expect(await addsARow(dataDir, {}, { uid: WITHOUT_A_NAME })).toBe(1);
    const other = await makeScratch(0o777);
    const { answer } = await startApp(bundle, { dataDir: other, noNamespaces: true }, { uid: WITHOUT_A_NAME });
    expect(answer).toMatchObject({ problem: 'unreachable', message: expect.stringContaining('--user node') });

    const stranger = await startApp(bundle, { dataDir }, { uid: NOBODY });
    expect(stranger.answer).toMatchObject({ problem: 'unreachable', message: expect.stringContaining('sudo chown') });
  });

  it('is told where to go when it may not write', async () => {
    const { answer } = await startApp(bundle, { dataDir: join(closed, 'data') }, { uid: NOBODY });
    expect(answer).toMatchObject({ problem: 'unreachable', message: expect.stringContaining('FLEDGE_DATA_DIR') });
  });
});
