import { chmod, cp, mkdtemp, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { USE_DATABASE_URL, linkLibraries } from './binaries.js';
import { EmbeddedPostgresError } from './errors.js';
import type { Layout } from './layout.js';
import type { Owner } from './ownership.js';
import { type Route, wrap } from './route.js';
import { type Command, type Ended, describeEnd, run } from './run.js';

/** PostgreSQL's programs, known to start on this machine as the right user. */
export interface Runtime {
  readonly route: Route;
  readonly native: string;
  /** For example 18. */
  readonly major: number;
  /** Whether the kernel stops our children when we die; else a watchdog has to. */
  readonly diesWithParent: boolean;
  command(program: 'postgres' | 'initdb' | 'pg_ctl', args: readonly string[], onParentDeath: 'INT' | 'TERM'): Command;
}

type Probe =
  | { readonly kind: 'works'; readonly major: number }
  | { readonly kind: 'blocked' | 'data-dir' | 'binaries' | 'broken'; readonly detail: string };

const CANNOT_ENTER = 71;
const CANNOT_EXECUTE = 72;
const TRY = `cd "$1" || exit ${CANNOT_ENTER}; [ -x "$2" ] || exit ${CANNOT_EXECUTE}; exec "$2" --version`;

/**
 * Finds the first route on which PostgreSQL starts, by starting it. Where only the binaries are out of the other
 * user's reach, a copy of them in the data directory is used; where the data directory is, this throws `unreachable`.
 */
export async function prepareRuntime(
  native: string,
  layout: Layout,
  routes: readonly Route[],
  log: (message: string) => void,
): Promise<Runtime> {
  const diesWithParent = await canDieWithParent();
  const refused: Refusal[] = [];
  for (const route of routes) {
    if (route.kind === 'uid') await letThrough(layout.dataDir, route.owner);
    let runtime = await runtimeAt(native, layout, route, diesWithParent);
    let probe = await tryOut(runtime, layout);
    if (probe.kind === 'binaries') {
      const copy = await copyBinaries(native, layout, log);
      runtime = await runtimeAt(copy, layout, route, diesWithParent);
      probe = await tryOut(runtime, layout);
    }
    if (probe.kind === 'works') return { ...runtime, major: probe.major };
    refused.push({ ...probe, route, native: runtime.native });
  }
  throw explain(refused, layout);
}

interface Refusal {
  readonly kind: 'blocked' | 'data-dir' | 'binaries' | 'broken';
  readonly detail: string;
  readonly route: Route;
  readonly native: string;
}

function explain(refused: readonly Refusal[], layout: Layout): EmbeddedPostgresError {
  const broken = refused.find(({ kind }) => kind === 'broken' || kind === 'binaries');
  if (broken !== undefined) {
    return new EmbeddedPostgresError(
      'unsupported',
      `The PostgreSQL at ${broken.native} does not start: ${broken.detail}. It needs glibc (Debian, Ubuntu, Fedora and ` +
        `the like; not Alpine) and a place from which programs may be executed. ${USE_DATABASE_URL}`,
    );
  }
  const outside = refused.find(({ kind }) => kind === 'data-dir');
  if (outside !== undefined) {
    const who = outside.route.kind === 'uid' ? `user id ${outside.route.owner.uid}` : 'root without its privileges';
    return new EmbeddedPostgresError(
      'unreachable',
      `PostgreSQL does not run as root, and whom it would run as instead (${who}) cannot enter ${layout.dataDir}. ` +
        `Set FLEDGE_DATA_DIR to a directory below one that everybody may enter, such as /var/lib/fledge, ` +
        `or start as an ordinary user. ${USE_DATABASE_URL}`,
    );
  }
  return new EmbeddedPostgresError(
    'unreachable',
    `PostgreSQL does not run as root, and this environment allows neither a user namespace nor another user ` +
      `(${refused.map(({ detail }) => detail).join('; ')}). Start as an ordinary user (in a container: --user node). ` +
      USE_DATABASE_URL,
  );
}

async function runtimeAt(
  native: string,
  layout: Layout,
  route: Route,
  diesWithParent: boolean,
): Promise<Omit<Runtime, 'major'>> {
  const libraries = await linkLibraries(native, layout.links);
  const env = childEnvironment(libraries);
  return {
    route,
    native,
    diesWithParent,
    command: (program, args, onParentDeath) => ({
      ...wrap(route, join(native, 'bin', program), args, diesWithParent ? onParentDeath : undefined),
      env,
    }),
  };
}

async function tryOut(runtime: Omit<Runtime, 'major'>, layout: Layout): Promise<Probe> {
  const version = runtime.command('postgres', ['--version'], 'TERM');
  const program = join(runtime.native, 'bin', 'postgres');
  const command =
    process.platform === 'win32'
      ? version
      : { ...version, ...wrap(runtime.route, '/bin/sh', ['-c', TRY, 'sh', layout.dataDir, program]) };
  return judge(runtime.route, await run(command));
}

function judge(route: Route, ended: Ended): Probe {
  const detail = `${describeEnd(ended)}${ended.output === '' ? '' : `, ${ended.output.trim()}`}`;
  if (ended.code === CANNOT_ENTER) return { kind: 'data-dir', detail };
  if (ended.code === CANNOT_EXECUTE) return { kind: 'binaries', detail };
  const major = /PostgreSQL\) (\d+)/.exec(ended.output)?.[1];
  if (ended.code === 0 && major !== undefined) return { kind: 'works', major: Number(major) };
  // The shell says 126 and 127; everything else comes from what was to change the user.
  const started = ended.error === undefined && (ended.code === null || ended.code === 126 || ended.code === 127);
  return { kind: route.kind === 'direct' || started ? 'broken' : 'blocked', detail };
}

async function canDieWithParent(): Promise<boolean> {
  if (process.platform !== 'linux') return false;
  const args = ['--pdeathsig', 'INT', '--', '/bin/sh', '-c', ':'];
  return (await run({ file: 'setpriv', args, env: childEnvironment(undefined) })).code === 0;
}

/** Built, not inherited: the caller's PG* and LC_* variables must not change how the server behaves. */
function childEnvironment(libraries: string | undefined): NodeJS.ProcessEnv {
  const { PATH = '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin', SystemRoot, TEMP } = process.env;
  const loader = process.platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : 'LD_LIBRARY_PATH';
  return {
    PATH,
    LC_ALL: 'C',
    ...(SystemRoot === undefined ? {} : { SystemRoot }),
    ...(TEMP === undefined ? {} : { TEMP }),
    ...(libraries === undefined ? {} : { [loader]: libraries }),
  };
}

/** Lets other users pass through the data directory itself, never through its parents, without letting them list it. */
async function letThrough(dataDir: string, user: Owner): Promise<void> {
  const { mode, uid } = await stat(dataDir);
  if (uid !== user.uid && (mode & 0o001) === 0) await chmod(dataDir, (mode | 0o011) & 0o7777);
}

async function copyBinaries(native: string, layout: Layout, log: (message: string) => void): Promise<string> {
  const manifest: unknown = JSON.parse(await readFile(join(native, '..', 'package.json'), 'utf8'));
  const version =
    typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : 'unknown';
  const name = `postgres-binaries-${version}`;
  const copy = join(layout.dataDir, name, 'native');
  const entries = await readdir(layout.dataDir);
  if (entries.includes(name)) return copy;
  log(`PostgreSQL's user cannot reach ${native}; copying the programs to ${dirname(copy)}`);
  for (const entry of entries) {
    if (entry.startsWith('postgres-binaries-')) await rm(join(layout.dataDir, entry), { recursive: true, force: true });
  }
  // Renamed when complete: a copy that was cut short is never used.
  const draft = await mkdtemp(join(layout.dataDir, 'postgres-binaries-new-'));
  await cp(native, join(draft, 'native'), { recursive: true, verbatimSymlinks: true });
  await makeReadable(draft);
  await rename(draft, dirname(copy));
  return copy;
}

async function makeReadable(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) await chmod(path, 0o755);
    // An installation under umask 077 has programs that only their owner may execute.
    else if (entry.isFile()) await chmod(path, ((await stat(path)).mode & 0o100) === 0 ? 0o644 : 0o755);
  }
}
