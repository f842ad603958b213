import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../..', import.meta.url));
const sdk = join(root, 'sdk');

const timesOf = async (path: string): Promise<number[]> => {
  const found = await stat(path).catch(() => undefined);
  if (!found) return [];
  if (!found.isDirectory()) return [found.mtimeMs];
  const names = await readdir(path);
  return (await Promise.all(names.map((name) => timesOf(join(path, name))))).flat();
};

const isBuilt = async (): Promise<boolean> => {
  const sources = ['sdk/src', 'sdk/rollup.config.js', 'sdk/package.json', 'libs/evaluation/src'];
  const newest = Math.max(...(await Promise.all(sources.map((path) => timesOf(join(root, path))))).flat());
  const built = await timesOf(join(sdk, 'dist'));
  return built.length > 0 && Math.min(...built) > newest;
};

/** A folder in which the package is installed as it would be published, and where scripts can be run. */
export type Installation = {
  readonly folder: string;
  /** Runs a file made of this code; resolves with what it wrote, rejects unless it ends by itself with code 0 in time. */
  readonly run: (name: string, code: string, ...nodeOptions: string[]) => Promise<string>;
  readonly remove: () => Promise<void>;
};

/** Builds what is not up to date, packs it and unpacks that beside the peers the repository has. */
export const installPackage = async (): Promise<Installation> => {
  if (!(await isBuilt())) await run('npm', ['run', 'build'], { cwd: sdk });
  const folder = await mkdtemp(join(tmpdir(), 'fledge-sdk-'));
  const modules = join(folder, 'node_modules');
  await mkdir(join(modules, '@fledge'), { recursive: true });
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
    cwd: sdk,
  });
  const [{ filename }] = JSON.parse(stdout);
  await run('tar', ['-xzf', join(folder, String(filename)), '-C', join(modules, '@fledge')]);
  await symlink(join(modules, '@fledge', 'package'), join(modules, '@fledge', 'sdk'));
  await symlink(join(root, 'node_modules/@openfeature'), join(modules, '@openfeature'));
  return {
    folder,
    run: async (name, code, ...nodeOptions) => {
      await writeFile(join(folder, name), code);
      const options = { cwd: folder, timeout: 10_000, killSignal: 'SIGKILL' as const };
      return (await run(process.execPath, [...nodeOptions, name], options)).stdout;
    },
    remove: () => rm(folder, { recursive: true }),
  };
};
