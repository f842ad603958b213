// ConfigCat's SDK, offline, on what its cache holds; a snapshot answers at once, as its documentation recommends.
import { getClient, PollingMode, User } from '@configcat/sdk';
import { cohorts, plain } from '../plain.mjs';
import { contextsAs, versionOf } from '../scenarios.mjs';

const COMPARATOR = { in: 0, gt: 14, gte: 15 };
const [BOOLEAN, STRING] = [0, 1];
/** Of the form that its client accepts offline; it belongs to nobody. */
const SDK_KEY = 'configcat-sdk-1/0000000000000000000000/0000000000000000000000';

function config(snapshot) {
  const segments = cohorts(snapshot);
  const condition = ({ attribute, operator, values, cohort }) => {
    if (cohort !== undefined) return { s: { s: segments.findIndex(({ key }) => key === cohort), c: 0 } };
    const given = operator === 'in' ? { l: values } : { d: values[0] };
    return { u: { a: attribute, c: COMPARATOR[operator], ...given } };
  };
  const shares = (percentage) => [
    { p: percentage, v: { b: true } },
    { p: 100 - percentage, v: { b: false } },
  ];
  const setting = ({ on, rules, split }) => {
    if (split !== undefined)
      return {
        t: STRING,
        v: { s: split[0].value },
        p: split.map(({ value, weight }) => ({ p: weight, v: { s: value } })),
      };
    const everybody = rules.length === 1 && rules[0].conditions.length === 0;
    if (everybody) return { t: BOOLEAN, v: { b: on }, p: shares(rules[0].percentage) };
    return {
      t: BOOLEAN,
      v: { b: on },
      r: rules.map(({ percentage, conditions }) => ({
        c: conditions.map(condition),
        ...(percentage < 100 ? { p: shares(percentage) } : { s: { v: { b: true } } }),
      })),
    };
  };
  return JSON.stringify({
    p: { u: 'https://cdn-global.configcat.com', r: 0, s: 'c2FsdA==' },
    s: segments.map(({ key, members }) => ({ n: key, r: [{ a: 'Identifier', c: COMPARATOR.in, l: members }] })),
    f: Object.fromEntries(plain(snapshot).map((flag) => [flag.key, setting(flag)])),
  });
}

let clients = 0;

async function start(text) {
  // A client of the same key is shared, so each start has a key of its own.
  const key = SDK_KEY.replace(/0{6}$/, String(clients++).padStart(6, '0'));
  const client = getClient(key, PollingMode.ManualPoll, {
    offline: true,
    cache: { get: () => `${Date.now()}\n"etag"\n${text}`, set: () => undefined },
    logger: { log: () => undefined },
  });
  await client.waitForReady();
  return client;
}

export const engine = {
  name: 'ConfigCat',
  version: versionOf('@configcat/sdk'),
  async prepare({ ask, flag, snapshot }) {
    const held = (await start(config(snapshot))).snapshot();
    const contextOf = contextsAs(({ targetingKey, ...custom }) => new User(targetingKey, undefined, undefined, custom));
    if (ask === 'boolean') return (i) => held.getValue(flag, false, contextOf(i));
    if (ask === 'string') return (i) => held.getValue(flag, '', contextOf(i));
    const defaults = Object.values(snapshot.flags).map(({ key, type }) => [key, type === 'boolean' ? false : '']);
    return (i) => {
      const all = {};
      const user = contextOf(i);
      for (const [key, fallback] of defaults) all[key] = held.getValue(key, fallback, user);
      return all;
    };
  },
  encode: config,
  load: start,
};
