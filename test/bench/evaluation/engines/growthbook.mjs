// GrowthBook's client for many users, given its payload: no server is asked, nothing is tracked.
import { GrowthBookClient } from '@growthbook/growthbook';
import { cohorts, keysByType, plain } from '../plain.mjs';
import { contextsAs, versionOf } from '../scenarios.mjs';

function conditionOf(conditions) {
  const terms = conditions.map(({ attribute, operator, values, cohort }) => {
    if (cohort !== undefined) return { id: { $inGroup: cohort } };
    return { [attribute]: operator === 'in' ? { $in: values } : { [`$${operator}`]: values[0] } };
  });
  return terms.length === 0 ? {} : { condition: Object.assign({}, ...terms) };
}

function payload(snapshot) {
  const features = plain(snapshot).map(({ key, type, on, rules, split }) => [
    key,
    {
      defaultValue: type === 'boolean' ? on : split[0].value,
      rules:
        split === undefined
          ? rules.map(({ percentage, conditions }, index) => ({
              id: `rule-${index}`,
              ...conditionOf(conditions),
              force: true,
              ...(percentage < 100
                ? { coverage: percentage / 100, hashAttribute: 'id', hashVersion: 2, seed: key }
                : {}),
            }))
          : [
              {
                key,
                seed: key,
                hashAttribute: 'id',
                hashVersion: 2,
                coverage: 1,
                variations: split.map(({ value }) => value),
                weights: split.map(({ weight }) => weight / 100),
                meta: split.map(({ value }) => ({ key: value })),
              },
            ],
    },
  ]);
  return {
    features: Object.fromEntries(features),
    savedGroups: Object.fromEntries(cohorts(snapshot).map(({ key, members }) => [key, members])),
  };
}

const start = (document) => new GrowthBookClient().initSync({ payload: document });

export const engine = {
  name: 'GrowthBook',
  version: versionOf('@growthbook/growthbook'),
  prepare({ ask, flag, snapshot }) {
    const client = start(payload(snapshot));
    const contextOf = contextsAs(({ targetingKey, ...more }) => ({ attributes: { id: targetingKey, ...more } }));
    if (ask === 'boolean') return (i) => client.isOn(flag, contextOf(i));
    if (ask === 'string') return (i) => client.getFeatureValue(flag, '', contextOf(i));
    const { booleans, strings } = keysByType(snapshot);
    return (i) => {
      const all = {};
      const context = contextOf(i);
      for (const key of booleans) all[key] = client.isOn(key, context);
      for (const key of strings) all[key] = client.getFeatureValue(key, '', context);
      return all;
    };
  },
  encode: (snapshot) => JSON.stringify(payload(snapshot)),
  load: (text) => start(JSON.parse(text)),
};
