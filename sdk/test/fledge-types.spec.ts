import { execFile } from 'node:child_process';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { FakeService } from './support/fake-service.js';
import { SDK_KEY } from './support/fake-service.js';
import { startService } from './support/harness.js';
import { installPackage, type Installation } from './support/installed-package.js';

let installed: Installation;
let service: FakeService;
let types = "import '@fledge/sdk';\n";

beforeAll(async () => {
  installed = await installPackage();
}, 180_000);
afterAll(() => installed.remove());

beforeEach(async () => {
  service = await startService();
  service.override = ({ url, headers }, response) => {
    if (url !== '/sdk/v1/types.d.ts' || headers.authorization !== `Bearer ${SDK_KEY}`) return false;
    response.writeHead(200, { 'content-type': 'text/typescript; charset=utf-8' }).end(types);
    return true;
  };
});

type Result = { readonly code: number; readonly out: string; readonly error: string };

/** Runs the command that the package installs, with nothing of this process's environment that it reads. */
const fledgeTypes = (options: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Result> =>
  new Promise((resolve) => {
    const script = join(installed.folder, 'node_modules/@fledge/sdk/dist/fledge-types.js');
    execFile(process.execPath, [script, ...options], { cwd: installed.folder, env }, (failure, out, error) =>
      resolve({ code: failure === null ? 0 : Number(failure.code), out, error }),
    );
  });

describe('fledge-types', () => {
  it('is what the package installs as a command', async () => {
    const manifest = JSON.parse(
      await readFile(join(installed.folder, 'node_modules/@fledge/sdk/package.json'), 'utf8'),
    );
    expect(manifest.bin).toEqual({ 'fledge-types': './dist/fledge-types.js' });
    const script = await readFile(join(installed.folder, 'node_modules/@fledge/sdk/dist/fledge-types.js'), 'utf8');
    expect(script).toMatch(/^#!\/usr\/bin\/env node\n/);
  });

  it('writes the file, says when it says the same already, and checks it', async () => {
    const out = join(installed.folder, 'src/generated/fledge-flags.d.ts');
    const options = ['--url', `${service.url}/`, '--out', out];
    const env = { FLEDGE_SDK_KEY: SDK_KEY };
    expect(await fledgeTypes([...options, '--check'], env)).toMatchObject({
      code: 1,
      error: expect.stringContaining('not up to date'),
    });
    expect(await fledgeTypes(options, env)).toEqual({ code: 0, out: `${out} written\n`, error: '' });
    expect(await readFile(out, 'utf8')).toBe(types);
    const { mtimeMs } = await stat(out);
    expect(await fledgeTypes(options, env)).toMatchObject({ code: 0, out: `${out} is up to date\n` });
    expect((await stat(out)).mtimeMs).toBe(mtimeMs);
    expect(await fledgeTypes([...options, '--check'], env)).toMatchObject({ code: 0 });
    types += '// more\n';
    expect(await fledgeTypes([...options, '--check'], env)).toMatchObject({ code: 1 });
    expect(await fledgeTypes(options, env)).toMatchObject({ code: 0 });
    expect(await readFile(out, 'utf8')).toBe(types);
  });

  it('prints without --out, and takes everything from options or variables', async () => {
    expect(await fledgeTypes(['--url', service.url, '--key', SDK_KEY])).toEqual({ code: 0, out: types, error: '' });
    expect(await fledgeTypes([], { FLEDGE_URL: service.url, FLEDGE_SDK_KEY: SDK_KEY })).toMatchObject({ out: types });
    expect(await fledgeTypes(['--help'])).toMatchObject({ code: 0, out: expect.stringContaining('--url') });
  });

  it('says everything that is missing or wrong at once', async () => {
    const { code, out, error } = await fledgeTypes(['--url', 'localhost:4000', '--check']);
    expect([code, out]).toEqual([1, '']);
    for (const name of ['--url', '--key', '--check']) expect(error).toContain(name);
    expect(await fledgeTypes(['--wrong'])).toMatchObject({ code: 1, error: expect.stringContaining("'--wrong'") });
  });

  it('says why it has nothing to write, and leaves the file as it is', async () => {
    const out = join(installed.folder, 'kept.d.ts');
    await writeFile(out, 'kept');
    const run = (url: string, key = SDK_KEY) => fledgeTypes(['--url', url, '--key', key, '--out', out]);
    expect((await run(service.url, 'fledge_sdk_other')).error).toContain('refuses the key (401)');
    expect((await run(`${service.url}/elsewhere`)).error).toContain('answered with 404');
    service.override = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>A portal</h1>');
      return true;
    };
    expect((await run(service.url)).error).toContain('text/html: is it a Fledge service?');
    await service.stop();
    const away = await run(service.url);
    expect(away).toMatchObject({ code: 1, out: '' });
    expect(away.error).toMatch(/cannot be reached: fetch failed: .*ECONNREFUSED/);
    expect(away.error).not.toContain(SDK_KEY);
    expect(await readFile(out, 'utf8')).toBe('kept');
  });

  it('says when the file cannot be written', async () => {
    await writeFile(join(installed.folder, 'a-file'), '');
    const out = join(installed.folder, 'a-file/flags.d.ts');
    const { code, error } = await fledgeTypes(['--url', service.url, '--key', SDK_KEY, '--out', out]);
    expect(code).toBe(1);
    expect(error).toContain(`${out} cannot be written`);
  });
});
