#!/usr/bin/env node
// What an application sends to a browser for flags that are decided there: bundled by esbuild for browsers, minified,
// gzipped and compressed with brotli. Peers without evaluation in a browser are marked as such. Reports, asserts nothing.
//   npm run build && node test/bench/bundles/run.mjs [--json]
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { versionOf } from '../evaluation/scenarios.mjs';

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } });

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** What an application imports to have a client, and what that client does. */
const bundles = [
  {
    name: 'Fledge',
    does: 'decides in the browser, streams',
    code: `export { createClient } from '${here('../../../sdk/dist/index.js')}'`,
    later: true,
    bar: 6,
  },
  {
    name: 'Fledge with what it loads after the start to report',
    does: 'the same, counts exposures and outcomes',
    code: `export { createClient } from '${here('../../../sdk/dist/index.js')}'`,
  },
  {
    name: 'GrowthBook',
    package: '@growthbook/growthbook',
    does: 'decides in the browser, streams',
    code: `export { GrowthBookClient } from '@growthbook/growthbook'`,
  },
  {
    name: 'ConfigCat',
    package: '@configcat/sdk',
    does: 'decides in the browser, polls',
    code: `export { getClient } from '@configcat/sdk/browser'`,
  },
  {
    name: 'flagd-core',
    package: '@openfeature/flagd-core',
    does: 'evaluates; neither fetches nor streams',
    code: `export { FlagdCore } from '@openfeature/flagd-core'`,
  },
];

/** Bytes of the bundle; `later`: without the chunks that are loaded on demand. */
async function sizesOf({ code, later }) {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: here('.') },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    splitting: later === true,
    outdir: here('build'),
    write: false,
    logLevel: 'error',
  });
  const entry = outputFiles.filter(
    ({ path }) => later !== true || path.endsWith('stdin.js') || isStatic(path, outputFiles),
  );
  const sum = (size) => entry.reduce((total, { contents }) => total + size(contents), 0);
  return {
    minified: sum((contents) => contents.length),
    gzip: sum((contents) => gzipSync(contents, { level: 9 }).length),
    brotli: sum((contents) => brotliCompressSync(contents).length),
  };
}

/** True for a chunk that the entry imports at once. */
function isStatic(path, files) {
  const entry = files.find((file) => file.path.endsWith('stdin.js')).text;
  const name = path.slice(path.lastIndexOf('/') + 1).replaceAll('.', String.raw`\.`);
  return new RegExp(String.raw`from\s*"\./${name}"`).test(entry);
}

const kibibytes = (bytes) => (bytes / 1_024).toFixed(1);

const rows = [];
for (const bundle of bundles) {
  try {
    rows.push({ ...bundle, version: bundle.package && versionOf(bundle.package), ...(await sizesOf(bundle)) });
  } catch (problem) {
    rows.push({ ...bundle, problem: String(problem.errors?.[0]?.text ?? problem) });
  }
}
if (values.json) process.stdout.write(JSON.stringify(rows));
else
  for (const { name, does, minified, gzip, brotli, problem } of rows)
    process.stdout.write(
      `${name.padEnd(54)}${does.padEnd(42)}${problem ?? `${kibibytes(minified)} KiB minified, ${kibibytes(gzip)} KiB gzip, ${kibibytes(brotli)} KiB brotli`}\n`,
    );
