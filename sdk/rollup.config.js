import { readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { dts } from 'rollup-plugin-dts';
import esbuild from 'rollup-plugin-esbuild';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { exports } = JSON.parse(readFileSync(here('package.json'), 'utf8'));
const evaluation = JSON.parse(readFileSync(here('../libs/evaluation/package.json'), 'utf8'));

/** One entry per subpath, by the name of its source. */
const entries = Object.fromEntries(
  Object.values(exports)
    .map((conditions) => conditions['@fledge/source'])
    .map((source) => [source.replace(/^.*\/|\.ts$/g, ''), here(source)]),
);
const { index, explain, ...others } = entries;

/** The evaluator is bundled from its sources, so that nothing has to be built before. */
const evaluatorFromSource = {
  name: 'evaluator-from-source',
  resolveId: (id) =>
    id === '@fledge/evaluation' ? here(`../libs/evaluation/${evaluation.exports['.']['@fledge/source']}`) : null,
};

/** No file of an earlier build is left to be published. */
const emptyDist = {
  name: 'empty-dist',
  buildStart: () => rmSync(here('dist'), { recursive: true, force: true }),
};

/** Whatever an entry shares with the main one it imports from there: augmenting FledgeFlags works for all of them. */
const sharedFromMain = {
  name: 'shared-from-main',
  resolveId: (id, importer) =>
    importer && (id.startsWith('.') || id === '@fledge/evaluation') ? { id: 'main', external: true } : null,
};

const external = [/^node:/, '@openfeature/server-sdk'];
const tsconfig = here('tsconfig.json');

const code = {
  input: entries,
  external,
  plugins: [emptyDist, evaluatorFromSource, esbuild({ target: 'es2022', tsconfig })],
  output: [
    { dir: 'dist', format: 'es', entryFileNames: '[name].js', chunkFileNames: 'chunks/[name].js' },
    { dir: 'dist', format: 'cjs', entryFileNames: '[name].cjs', chunkFileNames: 'chunks/[name].cjs' },
  ],
};

/** What package.json names as `bin`. */
const commands = {
  input: { 'fledge-types': here('src/fledge-types.ts') },
  external,
  plugins: [esbuild({ target: 'es2022', tsconfig })],
  output: { dir: 'dist', format: 'es' },
};

const types = (input, resolver) => ({
  input,
  external,
  plugins: [resolver, dts({ tsconfig })],
  output: ['js', 'cjs'].map((script) => ({
    dir: 'dist',
    format: 'es',
    entryFileNames: `[name].d.${script.replace('js', 'ts')}`,
    paths: { main: `./index.${script}` },
  })),
});

// The main entry's declarations stand in one file: only what is declared in a module itself can be augmented.
export default [
  code,
  commands,
  types({ index }, evaluatorFromSource),
  types({ explain }, evaluatorFromSource),
  types(others, sharedFromMain),
];
