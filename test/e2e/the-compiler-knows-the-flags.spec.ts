import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type TestApi } from '../support/api.js';
import { ROOT } from '../support/service.js';

const PATH = '/projects/default/environments/production/types.d.ts';
const ENDS_OF_LINES = '\u2028\u2029\n\r';
const HOSTILE = `"; } } // */ \${process.exit()} \\ ' \` </script> ${ENDS_OF_LINES}`;

let api: TestApi;
let folder: string;

beforeAll(async () => {
  api = await startApi();
  folder = await mkdtemp(join(tmpdir(), 'fledge-types-'));
  await mkdir(join(folder, 'node_modules/@fledge'), { recursive: true });
  await symlink(join(ROOT, 'sdk'), join(folder, 'node_modules/@fledge/sdk'));
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  const flags = [
    { key: 'new-checkout', type: 'boolean' },
    { key: 'banner', type: 'string', variants: { plain: 'Hello', loud: 'HELLO', again: 'Hello', none: '' } },
    { key: 'hostile', type: 'string', variants: { a: HOSTILE, b: 'b' } },
    { key: 'article', type: 'string', variants: { short: 'short', long: 'x'.repeat(101) } },
    { key: 'page.size', type: 'number', variants: { small: 20, large: 50.5 } },
    {
      key: 'limits',
      type: 'object',
      variants: { few: { max: 3 }, many: { max: 30, burst: { per: 's' } }, open: { max: null } },
    },
    { key: 'empty', type: 'object', variants: { none: {} } },
    {
      key: 'names',
      type: 'object',
      variants: { a: { [HOSTILE]: 1, constructor: true }, b: { [HOSTILE]: 2, constructor: true } },
    },
    { key: 'hosts', type: 'object', variants: { one: ['a'], two: ['a', { port: 1 }], mixed: [[1], [null]] } },
    { key: 'either', type: 'object', variants: { list: [], object: { a: 1 } } },
  ];
  for (const flag of flags) await api.admin.post('/projects/default/flags', flag).expect(201);
  await api.admin.post('/projects/default/flags', { key: 'old', type: 'boolean' }).expect(201);
  await api.admin.post('/projects/default/flags/old/archive').expect(200);
});
afterAll(async () => {
  await rm(folder, { recursive: true });
  await api.stop();
});

/** What the compiler says of application code beside the declarations; nothing when all is well. */
async function compile(declarations: string, code: string): Promise<string[]> {
  const files = { 'fledge-flags.d.ts': declarations, 'application.ts': code };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const program = ts.createProgram(
    Object.keys(files).map((name) => join(folder, name)),
    {
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipDefaultLibCheck: true,
      noEmit: true,
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      customConditions: ['@fledge/source'],
      lib: ['lib.es2023.d.ts', 'lib.dom.d.ts'],
      types: [],
    },
  );
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText, file }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`);
}

describe('the flags of an environment as TypeScript types', () => {
  it('are the same text for whoever may ask: a viewer or an SDK key', async () => {
    const { text, headers } = await api.admin.get(PATH).expect(200);
    expect(headers['content-type']).toBe('text/typescript; charset=utf-8');
    const ofKey = await api
      .as(await api.sdkKey())
      .get('/sdk/v1/types.d.ts')
      .expect(200);
    expect([ofKey.text, ofKey.headers['content-type']]).toEqual([text, headers['content-type']]);
    const ofDevelopment = await api
      .as(await api.sdkKey('development'))
      .get('/sdk/v1/types.d.ts')
      .expect(200);
    expect(ofDevelopment.text).toBe(text.replace('default/production', 'default/development'));
    await api.admin.get(PATH.replace('production', 'nowhere')).expect(404);
    await api.as(undefined).get('/sdk/v1/types.d.ts').expect(401);
    await api
      .as(await api.sdkKey())
      .get(PATH)
      .expect(403);
    await api.admin.get('/sdk/v1/types.d.ts').expect(403);
  });

  it('name every flag that is not archived, in order, with the type of its values', async () => {
    const { text } = await api.admin.get(PATH).expect(200);
    const lines = text.split('\n').filter((line) => line.startsWith('    '));
    expect(lines.filter((line) => !line.includes('process.exit'))).toEqual([
      '    "article": string;',
      '    "banner": "" | "HELLO" | "Hello";',
      '    "either": readonly JsonValue[] | { readonly "a": number };',
      '    "empty": { readonly [name: string]: JsonValue };',
      '    "hosts": readonly (readonly (null | number)[] | string | { readonly "port": number })[];',
      '    "limits": { readonly "burst"?: { readonly "per": string }; readonly "max": null | number };',
      '    "new-checkout": boolean;',
      '    "page.size": number;',
    ]);
    expect(lines).toHaveLength(10);
  });

  it('compile, whatever the values are, and let the compiler check every use of the SDK', async () => {
    const { text } = await api.admin.get(PATH).expect(200);
    const code = `
      import { createClient, type FledgeClient } from '@fledge/sdk';
      import { createTestClient } from '@fledge/sdk/testing';
      const client: FledgeClient = createClient({ url: 'http://x', sdkKey: 'k' });
      const on: boolean = client.boolean('new-checkout', {}, false);
      const banner: '' | 'HELLO' | 'Hello' = client.string('banner', {}, 'Hello');
      const hostile: 'b' | ${JSON.stringify(HOSTILE).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')} = client.string('hostile', {}, 'b');
      const article: string = client.string('article', {}, 'anything');
      const size: number = client.number('page.size', {}, 10);
      const { max, burst } = client.object('limits', {}, { max: 1 });
      const most: number | null = max;
      const per: string | undefined = burst?.per;
      const host = client.object('hosts', {}, [])[0];
      const evaluated: '' | 'HELLO' | 'Hello' = client.evaluate('banner', {}, '').value;
      createTestClient({ 'new-checkout': true, banner: 'HELLO', limits: { max: 2 } }).setFor({ country: 'DE' }, { 'page.size': 5 });
      // @ts-expect-error -- no such flag
      client.boolean('old', {}, false);
      // @ts-expect-error -- of another type
      client.boolean('banner', {}, false);
      // @ts-expect-error -- no value of the flag
      client.string('banner', {}, 'quiet');
      // @ts-expect-error -- a field of another type
      client.object('limits', {}, { max: '1' });
      // @ts-expect-error -- no such flag
      client.evaluate('nope', {}, false);
      // @ts-expect-error -- of another type
      createTestClient({ 'page.size': 'large' });
      // @ts-expect-error -- no such flag
      createTestClient().set({ nope: true });
      export { on, banner, hostile, article, size, most, per, host, evaluated };`;
    expect(await compile(text, code)).toEqual([]);
  });

  it('are none where there are no flags yet, so that every key is accepted', async () => {
    await api.admin.post('/projects', { key: 'bare' }).expect(201);
    await api.admin.post('/projects/bare/environments', { key: 'production' }).expect(201);
    const { text } = await api.admin.get('/projects/bare/environments/production/types.d.ts').expect(200);
    expect(text.split('\n').slice(1)).toEqual([
      "import '@fledge/sdk';",
      '',
      "declare module '@fledge/sdk' {",
      '  interface FledgeFlags {',
      '  }',
      '}',
      '',
    ]);
  });
});
