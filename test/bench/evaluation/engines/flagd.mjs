// flagd's evaluator in the process, as its OpenFeature provider for in-process evaluation uses it.
import { FlagdCore } from '@openfeature/flagd-core';
import { cohorts, plain } from '../plain.mjs';
import { contextsAs, versionOf } from '../scenarios.mjs';

const OPERATORS = { gt: '>', gte: '>=' };

function configuration(snapshot) {
  const members = Object.fromEntries(cohorts(snapshot).map((cohort) => [cohort.key, cohort.members]));
  const term = ({ attribute, operator, values, cohort }) => {
    if (cohort !== undefined) return { in: [{ var: 'targetingKey' }, members[cohort]] };
    if (operator === 'in') return { in: [{ var: attribute }, values] };
    return { [OPERATORS[operator]]: [{ var: attribute }, values[0]] };
  };
  const share = (parts) => ({ fractional: [{ cat: [{ var: '$flagd.flagKey' }, { var: 'targetingKey' }] }, ...parts] });
  const targeting = ({ on, rules, split }) => {
    if (split !== undefined) return share(split.map(({ value, weight }) => [value, weight]));
    const cases = rules.flatMap(({ percentage, conditions }) => [
      conditions.length === 0 ? true : { and: conditions.map(term) },
      percentage < 100
        ? share([
            ['on', percentage],
            ['off', 100 - percentage],
          ])
        : 'on',
    ]);
    // The only rule of everybody is what it serves.
    if (cases.length === 2 && cases[0] === true) return cases[1];
    return cases.length === 0 ? undefined : { if: [...cases, on ? 'on' : 'off'] };
  };
  const flags = plain(snapshot).map((flag) => [
    flag.key,
    {
      state: 'ENABLED',
      variants:
        flag.split === undefined
          ? { on: true, off: false }
          : Object.fromEntries(flag.split.map(({ value }) => [value, value])),
      defaultVariant: flag.split === undefined ? (flag.on ? 'on' : 'off') : flag.split[0].value,
      ...(targeting(flag) === undefined ? {} : { targeting: targeting(flag) }),
    },
  ]);
  return JSON.stringify({ flags: Object.fromEntries(flags) });
}

const silent = { debug() {}, info() {}, warn() {}, error() {} };

function start(text) {
  const core = new FlagdCore(undefined, silent);
  core.setConfigurations(text);
  return core;
}

export const engine = {
  name: 'flagd-core',
  version: versionOf('@openfeature/flagd-core'),
  prepare({ ask, flag, snapshot }) {
    const core = start(configuration(snapshot));
    const contextOf = contextsAs((context) => context);
    if (ask === 'boolean') return (i) => core.resolveBooleanEvaluation(flag, false, contextOf(i), silent).value;
    if (ask === 'string') return (i) => core.resolveStringEvaluation(flag, '', contextOf(i), silent).value;
    return (i) => core.resolveAll(contextOf(i), silent);
  },
  values: (all) => Object.fromEntries(all.map(({ flagKey, value }) => [flagKey, value])),
  encode: configuration,
  load: start,
};
