import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createEvaluator,
  evaluate,
  explain,
  traceText,
  validateCohort,
  validateDefinition,
  validateFlag,
  validateJson,
} from '@fledge/evaluation';
import type { Context, Snapshot } from '@fledge/evaluation';
import { anyContext, anySnapshot } from './support/arbitraries.js';
import { flagOf, snapshotOf } from './support/documents.js';

const REASONS = ['STATIC', 'TARGETING_MATCH', 'SPLIT', 'DEFAULT', 'DISABLED', 'ERROR'];

/** Any JSON whatsoever, with keys that objects inherit. */
const anyJson = fc
  .jsonValue()
  .map((value): unknown => JSON.parse(`{"value":${JSON.stringify(value)},"__proto__":1,"constructor":[]}`)?.value);

/** A legal document in which one part, anywhere, is any JSON. */
function broken(document: unknown, path: readonly number[], part: unknown): unknown {
  const [index, ...rest] = path;
  if (index === undefined || typeof document !== 'object' || document === null) return part;
  const keys = Object.keys(document);
  const key = keys[index % Math.max(1, keys.length)];
  if (key === undefined) return part;
  const entries = Object.entries(document).map(([name, value]) => [
    name,
    name === key ? broken(value, rest, part) : value,
  ]);
  return Array.isArray(document) ? entries.map(([, value]) => value) : Object.fromEntries(entries);
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion, typescript/no-unnecessary-type-parameters -- lies about types are what is tested
const lie = <T>(value: unknown): T => value as T;

function expectAnswer(snapshot: unknown, context: unknown, key: string): void {
  const answer = createEvaluator(lie<Snapshot>(snapshot)).evaluate(key, lie<Context>(context), 0);
  expect(REASONS).toContain(answer.reason);
  expect(evaluate(lie<Snapshot>(snapshot), key, lie<Context>(context), 0)).toStrictEqual(answer);
  const { evaluation, trace } = explain(lie<Snapshot>(snapshot), key, lie<Context>(context), 0);
  expect(evaluation).toStrictEqual(answer);
  expect(typeof traceText(trace)).toBe('string');
}

describe('evaluate never throws', () => {
  it('for any JSON as snapshot, flag, cohort and context', () => {
    fc.assert(
      fc.property(anyJson, anyJson, anyJson, anyJson, (snapshot, flag, cohort, context) => {
        expectAnswer(snapshot, context, 'flag');
        expectAnswer({ flags: { flag }, cohorts: { cohort } }, context, 'flag');
        const asks = flagOf({ rules: [{ id: 'r', conditions: [{ cohorts: ['cohort'] }], serve: { variant: 'b' } }] });
        expectAnswer({ flags: { flag: asks }, cohorts: { cohort } }, context, 'flag');
      }),
    );
  });

  it('for legal snapshots of which one part is any JSON', () => {
    fc.assert(
      fc.property(
        anySnapshot,
        fc.array(fc.nat({ max: 20 }), { minLength: 2, maxLength: 9 }),
        anyJson,
        anyContext,
        (snapshot, path, part, context) => {
          const documents = broken(snapshot, [5, ...path], part);
          for (const key of ['f0', 'f1', 'f2', 'f3']) expectAnswer(documents, context, key);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('for keys that every object inherits', () => {
    const snapshot = lie<Snapshot>(JSON.parse('{"flags":{"__proto__":{"enabled":true}},"cohorts":{}}'));
    for (const key of ['constructor', 'toString', 'hasOwnProperty'])
      expect(evaluate(snapshot, key, {}, 0)).toMatchObject({ errorCode: 'FLAG_NOT_FOUND' });
    expect(evaluate(snapshot, '__proto__', {}, 0)).toMatchObject({ errorCode: 'PARSE_ERROR' });
  });

  it('for contexts that throw, and is none the worse for it afterwards', () => {
    const flag = flagOf({
      rules: [{ id: 'r', conditions: [{ attribute: 'x', operator: 'exists', values: [] }], serve: { variant: 'b' } }],
    });
    const evaluator = createEvaluator(snapshotOf([flag]));
    const hostile = {
      get x(): string {
        throw new Error('no');
      },
    };
    expect(evaluator.evaluate('flag', hostile, 0).reason).toBe('ERROR');
    expect(evaluator.evaluate('flag', { x: 1 }, 0)).toMatchObject({ variant: 'b' });
  });

  it('for chains of prerequisites and cohorts of any length', () => {
    const flags = Array.from({ length: 20_000 }, (_, index) =>
      flagOf({ key: `f${index}`, prerequisites: [{ flag: `f${index + 1}`, variants: ['a'] }] }),
    );
    const snapshot = snapshotOf(flags);
    expect(evaluate(snapshot, 'f0', {}, 0)).toMatchObject({ errorCode: 'PARSE_ERROR' });
    expect(traceText(explain(snapshot, 'f0', {}, 0).trace)).toContain('nested too deep');
  });

  it('nor takes long for prerequisites that all require each other', () => {
    const layers = 60;
    const flags = Array.from({ length: layers * 3 }, (_, index) =>
      flagOf({
        key: `f${index}`,
        prerequisites: [0, 1, 2]
          .map((side) => (Math.floor(index / 3) + 1) * 3 + side)
          .filter((other) => other < layers * 3)
          .map((other) => ({ flag: `f${other}`, variants: ['a'] })),
      }),
    );
    expect(evaluate(snapshotOf(flags), 'f0', {}, 0)).toMatchObject({ variant: 'a' });
    expect(explain(snapshotOf(flags), 'f0', {}, 0).evaluation).toMatchObject({ variant: 'a' });
  });
});

describe('validation never throws', () => {
  it('for any JSON, nor for what is no JSON', () => {
    fc.assert(
      fc.property(fc.oneof(anyJson, fc.anything()), anyJson, (value, part) => {
        for (const document of [value, part]) {
          expect(Array.isArray(validateFlag(document, { flags: {}, cohorts: {} }).problems)).toBe(true);
          expect(Array.isArray(validateCohort(document, { flags: {}, cohorts: {} }).problems)).toBe(true);
          expect(Array.isArray(validateDefinition(document).problems)).toBe(true);
          expect(Array.isArray(validateJson(document))).toBe(true);
        }
      }),
    );
  });

  it('for objects that cannot become text', () => {
    const untold = { toString: '' };
    const flag = { ...flagOf({ key: 'f0' }), type: untold };
    expect(validateFlag(flag, snapshotOf([])).problems).toContainEqual(expect.objectContaining({ pointer: '/type' }));
    const condition = { attribute: 'country', operator: untold, values: [untold] };
    const asks = { ...flagOf({ key: 'f0' }), rules: [{ id: 'r', conditions: [condition], serve: { variant: 'b' } }] };
    expectAnswer({ flags: { f0: asks }, cohorts: {} }, { country: untold }, 'f0');
  });

  it('for legal snapshots of which one part is any JSON; what passes evaluates without error', () => {
    fc.assert(
      fc.property(
        anySnapshot,
        fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 8 }),
        anyJson,
        anyContext,
        (snapshot, path, part, context) => {
          const flag = broken(snapshot.flags['f0'], path, part);
          const { problems } = validateFlag(flag, snapshot);
          const alone = lie<Snapshot>({ ...snapshot, flags: { f0: flag }, cohorts: {} });
          if (problems.length === 0) expect(evaluate(alone, 'f0', context, 0).errorCode).toBeUndefined();
        },
      ),
      { numRuns: 150 },
    );
  });
});
