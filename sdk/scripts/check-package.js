// What would be published: nothing but the build, the README and the licence, and every file that exports name.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const [{ files }] = JSON.parse(
  execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }),
);
const packed = new Set(files.map(({ path }) => path));
const { exports } = JSON.parse(readFileSync('package.json', 'utf8'));
const targets = Object.values(exports).flatMap(({ import: esm, require: cjs }) => [esm, cjs].flatMap(Object.values));

const problems = [
  ...[...packed]
    .filter((path) => !/^(?:dist\/.+\.(?:js|cjs|d\.ts|d\.cts)|README\.md|LICENSE|package\.json)$/.test(path))
    .map((path) => `${path} does not belong into the package`),
  ...['README.md', 'LICENSE', ...targets.map((path) => path.replace('./', ''))]
    .filter((path) => !packed.has(path))
    .map((path) => `${path} is missing from the package`),
];

for (const problem of problems) process.stderr.write(`${problem}\n`);
process.exitCode = problems.length > 0 ? 1 : 0;
