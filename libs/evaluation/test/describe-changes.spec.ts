import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeChanges } from '@fledge/evaluation';
import type { Condition, Rule } from '@fledge/evaluation';
import { flagOfKey } from './support/arbitraries.js';
import { flagOf } from './support/documents.js';

const DE: Condition = { attribute: 'country', operator: 'in', values: ['DE', 'AT', 'CH', 'LI'] };
const rule = (part: Partial<Rule> = {}): Rule => ({
  id: 'germany',
  conditions: [DE],
  gate: { percentage: 25 },
  serve: { variant: 'b' },
  ...part,
});

describe('describeChanges', () => {
  it('says nothing of an edit that changes nothing', () => {
    fc.assert(
      fc.property(flagOfKey('flag'), (flag) => {
        expect(describeChanges(flag, structuredClone(flag))).toEqual([]);
      }),
    );
  });

  it('names what changed of the flag itself', () => {
    const before = flagOf({ prerequisites: [{ flag: 'p', variants: ['a', 'b'] }], variants: { a: 'A', b: 'B' } });
    const after = flagOf({
      enabled: false,
      offVariant: 'a',
      fallthrough: null,
      variants: { a: 'AA', c: 'C' },
      metadata: { jira: 'X' },
    });
    expect(describeChanges(before, after)).toEqual([
      'flag enabled → disabled',
      'variant a: value changed',
      'variant b removed',
      'variant c added',
      "off variant the caller's default → a",
      'prerequisite removed: p serves a or b',
      "fallthrough a → the caller's default",
      'metadata changed',
    ]);
  });

  it('names what changed of a rule', () => {
    const after = rule({
      enabled: false,
      description: 'new',
      conditions: [{ cohorts: ['staff', 'beta'], negate: true }],
      gate: { percentage: 50, bucketBy: 'company', salt: 's', otherwise: 'c' },
      serve: {
        split: [
          { variant: 'b', weight: 1 },
          { variant: 'c', weight: 3 },
        ],
      },
    });
    expect(describeChanges(flagOf({ rules: [rule()] }), flagOf({ rules: [after] }))).toEqual([
      'germany: is enabled → disabled',
      'germany: condition removed: country in "DE", "AT", "CH", … 1 more',
      'germany: condition added: not in cohort staff or beta',
      'germany: gate 25 % → 50 % by company with salt "s", others c',
      'germany: serves b → split b 1, c 3',
      'germany: description changed',
    ]);
  });

  it('names rules that come, go and change places', () => {
    const [one, two, three] = ['one', 'two', 'three'].map((id) => rule({ id }));
    if (one === undefined || two === undefined || three === undefined) throw new Error('there are three');
    expect(describeChanges(flagOf({ rules: [one, two] }), flagOf({ rules: [two, one, three] }))).toEqual([
      'three: added (country in "DE", "AT", "CH", … 1 more, gate 25 %, serves b)',
      'order of rules: one, two → two, one',
    ]);
    expect(describeChanges(flagOf({ rules: [rule({ conditions: [] })] }), flagOf())).toEqual([
      'germany: removed (everyone, gate 25 %, serves b)',
    ]);
  });
});
