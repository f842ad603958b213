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
    return (i) => evaluator.evaluateAll(contextOf(i), now);
  },
  values: (all) => Object.fromEntries(Object.entries(all).map(([key, { value }]) => [key, value])),
  encode: (snapshot) => JSON.stringify(snapshot),
  load: (text) => createEvaluator(JSON.parse(text)),
};
