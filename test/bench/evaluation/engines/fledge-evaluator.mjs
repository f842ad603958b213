// Fledge's evaluator alone, below the client.
import { readFileSync } from 'node:fs';
import { createEvaluator } from '../../../../libs/evaluation/dist/index.js';
import { contextOf } from '../scenarios.mjs';

const { version } = JSON.parse(
  readFileSync(new URL('../../../../libs/evaluation/package.json', import.meta.url), 'utf8'),
);

export const engine = {
  name: 'Fledge, evaluator alone',
  version,
  prepare({ ask, flag, snapshot }) {
    const evaluator = createEvaluator(snapshot);
    const now = Date.now();
    if (ask !== 'all') return (i) => evaluator.evaluate(flag, contextOf(i), now, ask).value;
    const keys = Object.keys(snapshot.flags);
    return (i) => {
      const context = contextOf(i);
      const all = {};
      for (const key of keys) all[key] = evaluator.evaluate(key, context, now);
      return all;
    };
  },
  values: (all) => Object.fromEntries(Object.entries(all).map(([key, { value }]) => [key, value])),
  encode: (snapshot) => JSON.stringify(snapshot),
  load: (document) => createEvaluator(document),
};
