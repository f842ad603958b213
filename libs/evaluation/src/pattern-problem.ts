import { LONGEST, MOST_REPEATS, patternFault } from './pattern.js';

const TEXTS = {
  long: `longer than ${LONGEST} characters`,
  repeats: `repeats more than ${MOST_REPEATS} times`,
  nested: 'an unbounded quantifier inside another',
  alike: 'branches under an unbounded quantifier can start alike',
  syntax: 'no regular expression',
};

/** Why a pattern is outside the portable subset of regular expressions, in words; undefined when it is inside. */
export function patternProblem(pattern: string): string | undefined {
  const fault = patternFault(pattern);
  return typeof fault === 'number' ? `not allowed from character ${fault + 1} on` : fault && TEXTS[fault];
}
