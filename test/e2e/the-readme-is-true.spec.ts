import { execFile, spawnSync } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeDirectory, ROOT, startService, temporaryDirectory, type Service } from '../support/service.js';
import { ServiceClient } from '../support/service-client.js';

const run = promisify(execFile);

/** The commands are for a shell with curl; a machine that has neither cannot try them. */
const shell = spawnSync('bash', ['-c', 'curl --version']).status === 0;

type Block = { readonly language: string; readonly text: string };

/** The fenced blocks of a Markdown document, in order. */
const blocksOf = (markdown: string): Block[] =>
  [...markdown.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language = '', text = '']) => ({ language, text }));

let service: Service;
let dataDir: string;
const application = join(ROOT, 'first-flag.mjs');

beforeAll(async () => {
  dataDir = await temporaryDirectory();
  service = await startService(dataDir, { FLEDGE_SEED: 'demo' });
}, 120_000);
afterAll(async () => {
  await service.stop();
  await removeDirectory(dataDir);
  await rm(application, { force: true });
});

describe('the README', () => {
  it.skipIf(!shell)(
    'shows commands, an application and outputs that are true as they are printed',
    { timeout: 120_000 },
    async () => {
      const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
      // The section alone: the canary after it takes minutes, and has tests of its own.
      const begin = readme.indexOf('## The first flag');
      const section = readme.slice(begin, readme.indexOf('\n## ', begin));
      // The service under test has a port and a directory of its own; nothing else differs from what a reader types.
      const here = (text: string): string =>
        text.replaceAll('http://localhost:4000', service.url).replaceAll('./.fledge/', `${dataDir}/`);
      let printed = '';
      let compared = 0;
      for (const { language, text } of blocksOf(section)) {
        if (language === 'js') await writeFile(application, here(text));
        if (language === 'sh')
          printed = (await run('bash', ['-euo', 'pipefail', '-c', here(text)], { cwd: ROOT })).stdout;
        if (language === 'text') {
          expect(printed.trim().split('\n').at(-1)).toBe(text.trim());
          compared += 1;
        }
      }
      expect(compared).toBe(3);
    },
  );

  it('promises a project to look around in, with flags, cohorts and a rollout', async () => {
    const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
    expect(readme).toContain('FLEDGE_SEED=demo npm start');
    const { adminToken } = JSON.parse(await readFile(join(dataDir, 'secrets.json'), 'utf8')) as { adminToken: string };
    const admin = new ServiceClient(service.url, adminToken);
    const demo = '/projects/demo';
    const names = async (what: string) =>
      (await admin.must('GET', `${demo}/${what}`)).body.items.map(({ key }: { key: string }) => key);
    expect(await names('flags')).toEqual(['banner', 'fast-search', 'new-checkout']);
    expect(await names('cohorts')).toEqual(['beta', 'staff']);
    const rollout = await admin.must('GET', `${demo}/environments/production/rollouts/key:demo`);
    expect(rollout.body).toMatchObject({ flag: 'fast-search', state: 'running', planKey: 'standard' });
  });

  it('begins with the two commands', async () => {
    const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
    const [commands] = blocksOf(readme);
    expect(commands?.text).toMatch(/^npm ci && npm start\b/m);
    expect(commands?.text).toMatch(/^npm ci && npm test\b/m);
  });
});
