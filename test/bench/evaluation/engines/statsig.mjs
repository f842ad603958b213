// Statsig's Node server SDK in local mode on bootstrapped specifications; no exposure is logged.
import Statsig from 'statsig-node';
import { cohorts, keysByType, plain } from '../plain.mjs';
import { contextsAs, versionOf } from '../scenarios.mjs';

const BUCKETS = 1_000;

function specifications(snapshot) {
  const members = Object.fromEntries(cohorts(snapshot).map((cohort) => [cohort.key, cohort.members]));
  const made = { additionalValues: {}, idType: 'userID' };
  const condition = ({ attribute, operator, values, cohort }) => {
    if (cohort !== undefined)
      return { ...made, type: 'unit_id', operator: 'any_case_sensitive', field: null, targetValue: members[cohort] };
    if (operator === 'in')
      return { ...made, type: 'user_field', operator: 'any', field: attribute, targetValue: values };
    return { ...made, type: 'user_field', operator, field: attribute, targetValue: values[0] };
  };
  const everybody = { ...made, type: 'public', operator: null, field: null, targetValue: null };
  const rule = (key, id, conditions, passPercentage, returnValue) => ({
    name: id,
    groupName: id,
    id,
    salt: `${key}.${id}`,
    idType: 'userID',
    passPercentage,
    conditions: conditions.length === 0 ? [everybody] : conditions,
    returnValue,
  });
  const spec = (key, type, defaultValue, rules) => ({
    name: key,
    type,
    salt: key,
    enabled: true,
    isActive: true,
    idType: 'userID',
    entity: type,
    defaultValue,
    rules,
  });
  const flags = plain(snapshot);
  const gates = flags
    .filter(({ split }) => split === undefined)
    .map(({ key, on, rules }) => {
      const all = rules.map(({ conditions, percentage }, index) =>
        rule(key, `rule-${index}`, conditions.map(condition), percentage, true),
      );
      return spec(key, 'feature_gate', false, on ? [...all, rule(key, 'everybody', [], 100, true)] : all);
    });
  const configs = flags
    .filter(({ split }) => split !== undefined)
    .map(({ key, split }) => {
      let upTo = 0;
      const arms = split.map(({ value, weight }) => {
        upTo += weight * (BUCKETS / 100);
        const bucket = { ...made, type: 'user_bucket', operator: 'lt', field: null, targetValue: upTo };
        return rule(key, value, [{ ...bucket, additionalValues: { salt: key } }], 100, { value });
      });
      return spec(key, 'dynamic_config', {}, arms);
    });
  return JSON.stringify({
    has_updates: true,
    time: 1,
    feature_gates: gates,
    dynamic_configs: configs,
    layer_configs: [],
    layers: {},
    id_lists: {},
  });
}

async function start(text) {
  const server = new Statsig.StatsigServer('secret-bench', { localMode: true, bootstrapValues: text });
  await server.initializeAsync();
  return server;
}

export const engine = {
  name: 'Statsig',
  version: versionOf('statsig-node'),
  async prepare({ ask, flag, snapshot }) {
    const server = await start(specifications(snapshot));
    const contextOf = contextsAs(({ targetingKey, ...custom }) => ({ userID: targetingKey, custom }));
    const boolean = (key, user) => server.checkGateWithExposureLoggingDisabledSync(user, key);
    const string = (key, user) => server.getConfigWithExposureLoggingDisabledSync(user, key).get('value', '');
    if (ask === 'boolean') return (i) => boolean(flag, contextOf(i));
    if (ask === 'string') return (i) => string(flag, contextOf(i));
    const { booleans, strings } = keysByType(snapshot);
    return (i) => {
      const all = {};
      const user = contextOf(i);
      for (const key of booleans) all[key] = boolean(key, user);
      for (const key of strings) all[key] = string(key, user);
      return all;
    };
  },
  encode: specifications,
  load: start,
};
