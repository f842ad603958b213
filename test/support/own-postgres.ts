import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, chown, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from './service.js';
import { sql } from './sql.js';
import { until } from './wait.js';

const run = promisify(execFile);
/** Where Debian and its like keep a folder per major version. */
const VERSIONS = '/usr/lib/postgresql';
const NEEDED = ['postgres', 'initdb', 'pg_dump', 'pg_restore'];
/** PostgreSQL refuses to run as root. */
const USER = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : undefined;

/** A PostgreSQL as an operator has it, beside the embedded one: with the tools that come with it. */
export interface OwnPostgres {
  readonly url: string;
  stop(): Promise<void>;
}

/** The folder of its programs, of the oldest version from 15 on that is installed; undefined when there is none, and a line on the terminal says so. */
export async function findOwnPostgres(): Promise<string | undefined> {
  const versions = (await readdir(VERSIONS).catch(() => [])).map(Number).filter((version) => version >= 15);
  for (const version of versions.toSorted((a, b) => a - b)) {
    const folder = `${VERSIONS}/${version}/bin`;
    const isWhole = await Promise.all(NEEDED.map((name) => access(`${folder}/${name}`))).then(
      () => true,
      () => false,
    );
    if (isWhole) return folder;
  }
  process.stderr.write(
    `\nSKIPPED: backups with pg_dump are not tested: there is no PostgreSQL with its tools in ${VERSIONS}.\n`,
  );
  return undefined;
}

/** Starts one with an empty database and waits until it answers. */
export async function startOwnPostgres(programs: string): Promise<OwnPostgres> {
  const folder = await mkdtemp(join(tmpdir(), 'fledge-postgres-'));
  if (USER !== undefined) await chown(folder, USER.uid, USER.gid);
  const data = join(folder, 'data');
  const options = ['--username=postgres', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'];
  await run(join(programs, 'initdb'), [`--pgdata=${data}`, ...options], { ...USER, cwd: folder });
  const port = await freePort();
  const settings = { listen_addresses: '127.0.0.1', port, unix_socket_directories: '', fsync: 'off' };
  const child = spawn(
    join(programs, 'postgres'),
    ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    { ...USER, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let printed = '';
  child.stderr.on('data', (chunk) => (printed += String(chunk)));
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  await until(async () => (await sql(url, 'SELECT 1')).length === 1, 'PostgreSQL answers').catch((cause: unknown) => {
    child.kill('SIGKILL');
    throw new Error(`PostgreSQL did not start:\n${printed}`, { cause });
  });
  return {
    url,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGQUIT');
        await once(child, 'exit');
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}
