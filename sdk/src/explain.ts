import { explain as explainAt, type Context, type Explanation, type Snapshot } from '@fledge/evaluation';

export { traceText } from '@fledge/evaluation';
export type {
  CohortRuleTrace,
  CohortTrace,
  ConditionTrace,
  DrawTrace,
  Explanation,
  GateTrace,
  SplitTrace,
  TraceStep,
  Verdict,
} from '@fledge/evaluation';

/**
 * Why a flag of this snapshot answers what it answers to the context, now or at another time (epoch milliseconds): the
 * evaluation and every step that led to it. `traceText` makes lines of the steps that people can read.
 */
export const explain = (snapshot: Snapshot, flagKey: string, context: Context, now = Date.now()): Explanation =>
  explainAt(snapshot, flagKey, context, now);
