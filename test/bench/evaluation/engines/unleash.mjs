// Unleash's Node SDK on a bootstrapped set of features: no server is asked, no metrics are sent.
import { Unleash } from 'unleash-client';
import { cohorts, keysByType, plain } from '../plain.mjs';
import { contextsAs, versionOf } from '../scenarios.mjs';

const NUMERIC = { gt: 'NUM_GT', gte: 'NUM_GTE' };

const constraint = ({ attribute, operator, values }) =>
  operator === 'in'
    ? { contextName: attribute, operator: 'IN', values }
    : { contextName: attribute, operator: NUMERIC[operator], value: String(values[0]) };

function document(snapshot) {
  const segments = cohorts(snapshot).map(({ key, members }, index) => ({
    id: index + 1,
    name: key,
    constraints: [{ contextName: 'userId', operator: 'IN', values: members }],
  }));
  const segmentOf = (key) => segments.find(({ name }) => name === key).id;
  const features = plain(snapshot).map(({ key, on, rules, split }) => ({
    name: key,
    type: 'release',
    stale: false,
    impressionData: false,
    enabled: on || rules.length > 0 || split !== undefined,
    strategies:
      rules.length === 0
        ? [{ name: 'default', parameters: {}, constraints: [] }]
        : rules.map(({ percentage, conditions }) => ({
            name: 'flexibleRollout',
            parameters: { rollout: String(percentage), stickiness: 'userId', groupId: key },
            constraints: conditions.filter(({ cohort }) => cohort === undefined).map(constraint),
            segments: conditions.flatMap(({ cohort }) => (cohort === undefined ? [] : [segmentOf(cohort)])),
          })),
    variants: (split ?? []).map(({ value, weight }) => ({
      name: value,
      weight: weight * 10,
      weightType: 'fix',
      stickiness: 'userId',
      payload: { type: 'string', value },
    })),
  }));
  return { features, segments };
}

async function start({ features, segments }) {
  const unleash = new Unleash({
    appName: 'bench',
    url: 'http://127.0.0.1:1/',
    refreshInterval: 0,
    disableMetrics: true,
    skipInstanceCountWarning: true,
    bootstrap: { data: features, segments },
    storageProvider: { get: () => Promise.resolve(undefined), set: () => Promise.resolve() },
  });
  // The first fetch is refused; the bootstrap stays in force.
  unleash.on('error', () => undefined);
  unleash.on('warn', () => undefined);
  await new Promise((resolve) => unleash.once('ready', resolve));
  return unleash;
}

export const engine = {
  name: 'Unleash',
  version: versionOf('unleash-client'),
  async prepare({ ask, flag, snapshot }) {
    const unleash = await start(document(snapshot));
    const contextOf = contextsAs(({ targetingKey, ...properties }) => ({ userId: targetingKey, properties }));
    if (ask === 'boolean') return (i) => unleash.isEnabled(flag, contextOf(i), false);
    if (ask === 'string') return (i) => unleash.getVariant(flag, contextOf(i)).payload?.value;
    const { booleans, strings } = keysByType(snapshot);
    return (i) => {
      const all = {};
      const context = contextOf(i);
      for (const key of booleans) all[key] = unleash.isEnabled(key, context, false);
      for (const key of strings) all[key] = unleash.getVariant(key, context).payload?.value;
      return all;
    };
  },
  encode: (snapshot) => JSON.stringify(document(snapshot)),
  load: (text) => start(JSON.parse(text)),
};
