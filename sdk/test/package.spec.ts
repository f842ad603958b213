import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SDK_KEY, snapshotOf } from './support/fake-service.js';
import { startService } from './support/harness.js';
import { installPackage, type Installation } from './support/installed-package.js';

let installed: Installation;

beforeAll(async () => {
  installed = await installPackage();
}, 180_000);

afterAll(() => installed.remove());

const snapshot = JSON.stringify(snapshotOf(1, { checkout: true }));

/** What a script checks, whichever way it got the subpaths. */
const tour = `
  const posts = [];
  const fetch = async (url, { body }) => {
    if (body) posts.push(body);
    return body ? new Response(null, { status: 202 }) : new Promise(() => {});
  };
  (async () => {
  const reporting = createClient({ url: 'http://x', sdkKey: 'k', bootstrap: ${snapshot}, fetch });
  await reporting.flush();
  reporting.boolean('checkout', {}, false);
  await reporting.close();
  if (posts.length !== 1) throw new Error('reporter');
  const client = createClient({ snapshot: ${snapshot} });
  if (!client.boolean('checkout', {}, false)) throw new Error('main');
  const test = createTestClient({ checkout: true });
  if (!test.boolean('checkout', {}, false) || test.asked.length !== 1) throw new Error('testing');
  if (new FledgeProvider(client).metadata.name !== 'fledge') throw new Error('openfeature');
  if (explain(client.snapshot, 'checkout', {}).evaluation.value !== true) throw new Error('explain');
  if (typeof fileCache('x').load !== 'function') throw new Error('node');
  console.log('done');
  })();`;

const names = {
  '/explain': 'explain',
  '': 'createClient',
  '/testing': 'createTestClient',
  '/openfeature': 'FledgeProvider',
  '/node': 'fileCache',
};

describe('the published package', () => {
  it('is imported as ESM', async () => {
    const imports = Object.entries(names).map(([path, name]) => `import { ${name} } from '@fledge/sdk${path}';`);
    expect(await installed.run('tour.mjs', imports.join('\n') + tour)).toBe('done\n');
  });

  it('is required as CommonJS', async () => {
    const requires = Object.entries(names).map(([path, name]) => `const { ${name} } = require('@fledge/sdk${path}');`);
    expect(await installed.run('tour.cjs', requires.join('\n') + tour)).toBe('done\n');
  });

  it('says its own version to the service', async () => {
    const manifest = JSON.parse(
      await readFile(join(installed.folder, 'node_modules/@fledge/sdk/package.json'), 'utf8'),
    );
    const code = `
      import { createClient } from '@fledge/sdk';
      const fetch = async (url, { headers }) => {
        console.log(headers['User-Agent']);
        process.exit();
      };
      createClient({ url: 'http://x', sdkKey: 'k', fetch });`;
    expect(await installed.run('version.mjs', code)).toBe(`fledge-sdk-js/${manifest.version}\n`);
    expect(manifest).not.toHaveProperty('dependencies');
  });

  it('needs nothing of Node in its main entry', async () => {
    for (const conditions of [['browser'], ['workerd', 'worker'], ['deno'], ['bun']]) {
      const { outputFiles } = await build({
        stdin: { contents: `export * from '@fledge/sdk'`, resolveDir: installed.folder },
        bundle: true,
        write: false,
        platform: 'browser',
        format: 'esm',
        conditions,
      });
      expect(outputFiles[0]?.text).toContain('createClient');
      expect(outputFiles[0]?.text).not.toMatch(/\b(?:process|Buffer|require|__dirname|setImmediate)\b/);
    }
  });

  it('can be tree-shaken to nothing', async () => {
    const { outputFiles } = await build({
      stdin: { contents: `import '@fledge/sdk'`, resolveDir: installed.folder },
      bundle: true,
      write: false,
      platform: 'browser',
      format: 'esm',
      logLevel: 'silent',
    });
    expect(outputFiles[0]?.text.trim()).toBe('');
  });
});

/** What the compiler says about this code, as ESM and as CommonJS, where the package is installed; nothing when all is well. */
const compile = async (name: string, code: string): Promise<string[]> => {
  const files = [join(installed.folder, `${name}.mts`), join(installed.folder, `${name}.cts`)];
  await Promise.all(files.map((file) => writeFile(file, code)));
  const program = ts.createProgram(files, {
    strict: true,
    exactOptionalPropertyTypes: true,
    skipDefaultLibCheck: true,
    noEmit: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'],
    types: [],
  });
  return ts
    .getPreEmitDiagnostics(program)
    .map(
      ({ messageText, file, start = 0 }) =>
        `${file?.text.slice(start, start + 40)}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`,
    );
};

describe('its types', () => {
  it('accept any key and widen defaults until an application has declared its flags', async () => {
    const code = `
      import { createClient, type FledgeClient, type SnapshotCache, type Tracker } from '@fledge/sdk';
      import { explain, traceText, type TraceStep } from '@fledge/sdk/explain';
      import { createTestClient } from '@fledge/sdk/testing';
      const cache: SnapshotCache = { load: async () => undefined, save: () => {} };
      const client: FledgeClient = createClient({ url: 'http://x', sdkKey: 'k', cache, fetch, logger: console });
      const test: FledgeClient = createTestClient({ anything: true, banner: 'x' });
      const yes: boolean = client.boolean('anything', { targetingKey: 'u', roles: ['a'], nested: { a: null } }, false);
      let text: string = client.string('banner', {}, 'plain');
      let count: number = client.number('size', {}, 20);
      const { max }: { max: number } = client.object('limits', {}, { max: 3 });
      let value: boolean = client.evaluate('anything', {}, false).value;
      [text, count, value] = ['other', 1, true];
      client.on('change', ({ version, flags }) => [version.toFixed(), flags.join()]);
      client.on('error', ({ kind, message }) => kind === 'refused' && message);
      const ran: Promise<string> | number = client.run('anything', {}, { on: async () => 'x', off: () => 3 });
      const tracker: Tracker = client.track('anything', {});
      tracker.ok(3);
      const reporting = createClient({ url: 'http://x', sdkKey: 'k', report: { exposures: false, intervalMs: 1000 } });
      // @ts-expect-error -- a handler is a function
      client.run('anything', {}, { on: 3 });
      const steps: readonly TraceStep[] = explain(client.snapshot, 'anything', {}).trace;
      const words: string = traceText(steps);
      const state: 'starting' | 'ready' | 'stale' | 'refused' | 'closed' = client.status.state;
      // @ts-expect-error -- half a service
      createClient({ url: 'http://x' });
      // @ts-expect-error -- a service beside a fixed snapshot
      createClient({ url: 'http://x', sdkKey: 'k', snapshot: client.snapshot! });
      // @ts-expect-error -- dates are not JSON
      client.boolean('anything', { since: new Date() }, false);
      // @ts-expect-error -- no such event
      client.on('changed', () => {});
      export { test, yes, max, state, words, ran, reporting };`;
    expect(await compile('untyped', code)).toEqual([]);
  });

  it('check keys, values and defaults once an application has declared its flags', async () => {
    const code = `
      import { createClient, type FledgeClient } from '@fledge/sdk';
      import { createTestClient } from '@fledge/sdk/testing';
      declare module '@fledge/sdk' {
        interface FledgeFlags {
          'new-checkout': boolean;
          banner: 'plain' | 'loud';
          size: number;
          limits: { readonly max: number };
        }
      }
      const client: FledgeClient = createTestClient({ 'new-checkout': true, banner: 'loud' });
      const yes: boolean = client.boolean('new-checkout', {}, false);
      const banner: 'plain' | 'loud' = client.string('banner', {}, 'plain');
      const size: number = client.number('size', {}, 20);
      const { max }: { max: number } = client.object('limits', {}, { max: 3 });
      const value: 'plain' | 'loud' = client.evaluate('banner', {}, 'plain').value;
      const ran: string = client.run('new-checkout', {}, { on: () => 'new', off: () => 'old' });
      client.track('banner', {}).fail();
      // @ts-expect-error -- no such flag
      client.run('old-checkout', {}, { on: () => 1, off: () => 2 });
      // @ts-expect-error -- no such flag
      client.track('old-checkout', {});
      // @ts-expect-error -- no such flag
      client.boolean('old-checkout', {}, false);
      // @ts-expect-error -- of another type
      client.boolean('banner', {}, false);
      // @ts-expect-error -- of another type
      client.string('size', {}, '');
      // @ts-expect-error -- of another type
      client.number('banner', {}, 1);
      // @ts-expect-error -- of another type
      client.object('size', {}, {});
      // @ts-expect-error -- a value the flag does not have
      client.string('banner', {}, 'quiet');
      // @ts-expect-error -- a default of another type
      client.evaluate('new-checkout', {}, 'yes');
      // @ts-expect-error -- a field is missing
      client.object('limits', {}, {});
      // @ts-expect-error -- no such flag
      createTestClient({ 'old-checkout': true });
      // @ts-expect-error -- of another type
      createTestClient({ size: 'large' });
      // @ts-expect-error -- a value the flag does not have
      createTestClient().setFor({ country: 'DE' }, { banner: 'quiet' });
      export { createClient, yes, banner, size, max, value, ran };`;
    expect(await compile('typed', code)).toEqual([]);
  });
});

describe.each(['stream', 'poll'])('a process with a client that uses mode %s', (mode) => {
  const script = (url: string, rest: string): string => `
    import { createClient } from '@fledge/sdk';
    const client = createClient({ url: '${url}', sdkKey: '${SDK_KEY}', mode: '${mode}', pollIntervalMs: 50 });
    ${rest}`;
  const resources = `process.getActiveResourcesInfo().filter((name) => !/^(?:TTY|Pipe|Immediate)/.test(name))`;

  it('has no timer, socket or listener left after close, and ends by itself', async () => {
    const service = await startService();
    const code = script(
      service.url,
      `
      await client.ready();
      await new Promise((resolve) => setTimeout(resolve, 120));
      await client.close();
      // Node's fetch takes a moment to let go of an aborted connection.
      for (let i = 0; i < 100 && ${resources}.length > 0; i++) await new Promise((resolve) => setTimeout(resolve, 10));
      console.log(${resources}.join());`,
    );
    expect(await installed.run(`close-${mode}.mjs`, code)).toBe('\n');
    expect(service.streams.size).toBe(0);
  });

  it('ends by itself without close while the service is away', async () => {
    const code = script(
      'http://127.0.0.1:9',
      `await client.ready({ timeoutMs: 200 }).catch(({ kind }) => console.log(kind));`,
    );
    expect(await installed.run(`away-${mode}.mjs`, code)).toBe('timeout\n');
  });

  it('stays alive for as long as somebody waits for ready', async () => {
    const service = await startService();
    let refusals = 3;
    service.override = (_, response) => {
      if (refusals-- <= 0) return false;
      response.writeHead(500).end();
      return true;
    };
    const code = script(service.url, `await client.ready(); console.log(client.status.state); await client.close();`);
    expect(await installed.run(`waits-${mode}.mjs`, code)).toBe('ready\n');
  });
});

describe('a process that polls', () => {
  it('ends by itself without close', async () => {
    const service = await startService();
    const code = `
      import { createClient } from '@fledge/sdk';
      await createClient({ url: '${service.url}', sdkKey: '${SDK_KEY}', mode: 'poll' }).ready();`;
    await expect(installed.run('unclosed.mjs', code)).resolves.toBe('');
  });
});

describe('memory', () => {
  it('is bounded however many units, unknown flags, failures and reconnections pass', async () => {
    const code = `
      import { createClient } from '@fledge/sdk';
      const snapshot = ${JSON.stringify(snapshotOf(1, { checkout: true }))};
      let requests = 0;
      const fetch = async (url, { signal }) => {
        if (++requests % 3 === 0) throw new TypeError('away');
        if (requests % 3 === 1) return new Response('event: put\\ndata: ' + JSON.stringify(snapshot) + '\\n\\n', { headers: { 'content-type': 'text/event-stream' } });
        return Response.json(snapshot);
      };
      const client = createClient({ url: 'http://x', sdkKey: 'k', fetch, random: () => 0, pollIntervalMs: 1 });
      await client.ready();
      const round = async () => {
        for (let i = 0; i < 5_000; i++) {
          client.boolean('checkout', { targetingKey: 'user-' + Math.random() }, false);
          client.boolean('flag-' + Math.random(), {}, false);
          client.on('change', () => {})();
          if (i % 100 === 0) await client.ready({ timeoutMs: 5 });
        }
        const until = requests + 200;
        while (requests < until) await new Promise((resolve) => setTimeout(resolve, 1));
        gc();
        return process.memoryUsage().heapUsed;
      };
      await round();
      const before = await round();
      await round();
      console.log((await round()) - before);
      await client.close();`;
    expect(Number(await installed.run('memory.mjs', code, '--expose-gc'))).toBeLessThan(500_000);
  });
});
