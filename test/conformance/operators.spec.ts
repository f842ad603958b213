import { describe, expect, it } from 'vitest';
import { evaluate } from '@fledge/evaluation';
import type { Condition, Context, Flag, Rule } from '@fledge/evaluation';
import vectors from './vectors/operators.json' with { type: 'json' };

/** True, false or unknown (null): a rule applies when the condition is true, another when its negation is. */
function truth(condition: object, context: Context): unknown {
  const rule = (id: string, negate: boolean): Rule => ({
    id,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- vectors hold operators of the future, too
    conditions: [{ ...condition, negate } as Condition],
    serve: { variant: id },
  });
  const flag: Flag = {
    key: 'flag',
    type: 'object',
    enabled: true,
    variants: { yes: [true], no: [false], unknown: [null] },
    offVariant: null,
    prerequisites: [],
    rules: [rule('yes', false), rule('no', true)],
    fallthrough: { variant: 'unknown' },
  };
  const snapshot = { project: 'p', environment: 'e', version: 1, flags: { flag }, cohorts: {} };
  const { value, errorMessage } = evaluate(snapshot, 'flag', context, 0);
  return Array.isArray(value) ? value[0] : errorMessage;
}

describe('operators', () => {
  it.each(vectors.map((vector) => [JSON.stringify(vector).slice(0, 160), vector]))('%s', (_, vector) => {
    const { actual, expected, ...condition } = { actual: undefined, ...vector };
    expect(truth({ attribute: 'x', ...condition }, actual === undefined ? {} : { x: actual })).toBe(expected);
  });
});
