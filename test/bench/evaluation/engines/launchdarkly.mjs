// LaunchDarkly's Node server SDK on a file, as its documentation has it for work without a connection; no events are sent.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { init } from '@launchdarkly/node-server-sdk';
import { FileDataSourceFactory } from '@launchdarkly/node-server-sdk/integrations';
import { cohorts, plain } from '../plain.mjs';
import { contextsAs, versionOf } from '../scenarios.mjs';

const NUMERIC = { gt: ['greaterThan', false], gte: ['lessThan', true] };
const THOUSANDTHS = 1_000;

function clause({ attribute, operator, values, cohort }) {
  if (cohort !== undefined) return { attribute: '', op: 'segmentMatch', values: [cohort], negate: false };
  const [op, negate] = NUMERIC[operator] ?? ['in', false];
  return { contextKind: 'user', attribute, op, values, negate };
}

/** Weights are in thousandths of a percent, and name a variation by its index. */
const rollout = (parts) => ({
  rollout: {
    contextKind: 'user',
    bucketBy: 'key',
    variations: parts.map(([variation, weight]) => ({ variation, weight: weight * THOUSANDTHS })),
  },
});

function document(snapshot) {
  const flags = plain(snapshot).map(({ key, on, rules, split }) => [
    key,
    {
      key,
      version: 1,
      on: true,
      salt: key,
      trackEvents: false,
      prerequisites: [],
      targets: [],
      variations: split === undefined ? [true, false] : split.map(({ value }) => value),
      offVariation: split === undefined ? 1 : 0,
      fallthrough:
        split === undefined ? { variation: on ? 0 : 1 } : rollout(split.map(({ weight }, index) => [index, weight])),
      rules: rules.map(({ percentage, conditions }, index) => ({
        id: `rule-${index}`,
        clauses: conditions.map(clause),
        ...(percentage < 100
          ? rollout([
              [0, percentage],
              [1, 100 - percentage],
            ])
          : { variation: 0 }),
      })),
    },
  ]);
  const segments = cohorts(snapshot).map(({ key, members }) => [
    key,
    { key, version: 1, salt: key, included: members, excluded: [], rules: [] },
  ]);
  return { flags: Object.fromEntries(flags), segments: Object.fromEntries(segments) };
}

const silent = { debug() {}, info() {}, warn() {}, error() {} };

async function start(text) {
  const directory = mkdtempSync(join(tmpdir(), 'bench-'));
  const path = join(directory, 'flags.json');
  writeFileSync(path, text);
  const source = new FileDataSourceFactory({ paths: [path] });
  const client = init('sdk-key', {
    updateProcessor: source.getFactory(),
    sendEvents: false,
    diagnosticOptOut: true,
    logger: silent,
  });
  await client.waitForInitialization({ timeout: 10 });
  rmSync(directory, { recursive: true });
  return client;
}

export const engine = {
  name: 'LaunchDarkly',
  version: versionOf('@launchdarkly/node-server-sdk'),
  /** Its calls answer with promises, also where nothing is waited for. */
  isAsync: true,
  async prepare({ ask, flag, snapshot }) {
    const client = await start(JSON.stringify(document(snapshot)));
    const contextOf = contextsAs(({ targetingKey, ...more }) => ({ kind: 'user', key: targetingKey, ...more }));
    if (ask === 'all') return (i) => client.allFlagsState(contextOf(i));
    const fallback = ask === 'boolean' ? false : '';
    return (i) => client.variation(flag, contextOf(i), fallback);
  },
  values: (all) => all.allValues(),
  encode: (snapshot) => JSON.stringify(document(snapshot)),
  load: start,
};
