import { explain as explainAt, type Context, type Snapshot, type TraceStep } from '@fledge/evaluation';
import { NOT_READY } from './failed.js';
import type { Answer } from './flags.js';

export { traceText } from '@fledge/evaluation';
export type {
  CohortRuleTrace,
  CohortTrace,
  ConditionTrace,
  DrawTrace,
  GateTrace,
  SplitTrace,
  TraceStep,
  Verdict,
} from '@fledge/evaluation';

/** What a flag answered and every step that led to it. */
export type Explanation = { readonly evaluation: Answer; readonly trace: readonly TraceStep[] };

/**
 * Why a flag of this snapshot answers what it answers to the context, now or at another time (epoch milliseconds): the
 * evaluation and every step that led to it. `traceText` makes lines of the steps that people can read. Before a client
 * has a snapshot there are no steps, and the answer is that it has none.
 */
export const explain = (
  snapshot: Snapshot | undefined,
  flagKey: string,
  context: Context,
  now = Date.now(),
): Explanation => (snapshot ? explainAt(snapshot, flagKey, context, now) : { evaluation: NOT_READY, trace: [] });
