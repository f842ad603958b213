import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** As short as a fast mirror allows: who has a slow one tests without the program. */
const INSTALL_MS = 25_000;

/**
 * The path of a program. One that is missing is installed from its Debian package where that can be had quickly and without asking
 * anybody; undefined where not, and a line on the terminal says what is not tested because of that.
 */
export async function program(name: string, debianPackage: string): Promise<string | undefined> {
  const found = await find(name);
  if (found !== undefined) return found;
  const trouble = process.getuid?.() === 0 ? await install(debianPackage) : 'it takes root to install it';
  const installed = await find(name);
  if (installed === undefined)
    process.stderr.write(`\nSKIPPED: what needs ${name} is not tested: not installed, and ${trouble}.\n`);
  return installed;
}

async function find(name: string): Promise<string | undefined> {
  for (const folder of ['/usr/sbin', '/usr/bin', '/usr/local/sbin', '/usr/local/bin', '/opt/homebrew/bin']) {
    const path = `${folder}/${name}`;
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  return undefined;
}

/** Answers what went wrong. Two specs that install at once wait for each other: apt has a lock. */
async function install(debianPackage: string): Promise<string> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const quick = ['-o', 'DPkg::Lock::Timeout=20', '-o', 'Acquire::Retries=0', '-o', 'Acquire::http::Timeout=5'];
  // The package must not start a service of its own.
  const packages = ['install', '-y', '--no-install-recommends', ...quick, debianPackage];
  const until = AbortSignal.timeout(INSTALL_MS);
  const apt = (...args: string[]) => run('apt-get', args, { env, signal: until });
  try {
    await apt(...packages).catch(() => apt('update', ...quick).then(() => apt(...packages)));
    return 'it was installed elsewhere than expected';
  } catch (error) {
    return error instanceof Error ? `apt-get failed (${error.message.split('\n')[0]})` : String(error);
  }
}
