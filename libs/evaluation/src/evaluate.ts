import type { Context } from './context.js';
import type { Evaluation } from './evaluation.js';
import { createEvaluator } from './evaluator.js';
import type { Evaluator } from './evaluator.js';
import type { FlagType } from './flag.js';
import type { Snapshot } from './snapshot.js';

let last: Evaluator | undefined;

/**
 * What a flag answers to a context at `now` (epoch milliseconds): pure, total, the same for the same input for ever.
 * It remembers what it compiled for the snapshot it was given last; whoever serves several keeps evaluators instead.
 */
export function evaluate(
  snapshot: Snapshot,
  flagKey: string,
  context: Context,
  now: number,
  expected?: FlagType,
): Evaluation {
  if (last?.snapshot !== snapshot) last = createEvaluator(snapshot, last);
  return last.evaluate(flagKey, context, now, expected);
}
