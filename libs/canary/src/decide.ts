import type { Decision, GuardrailCheck, Observation, Progress } from './decision.js';
import type { Evidence } from './evidence.js';
import type { Plan, StageGate } from './plan.js';

/** The gates that must be open before the rollout leaves a stage: its own, and those of a stage of 100 that follows. */
export function gatesAhead(plan: Plan, stage: number): readonly StageGate[] {
  const next = plan.stages[stage + 1];
  return [...(plan.stages[stage]?.gates ?? []), ...(next?.percentage === 100 ? next.gates : [])];
}

/** How every guardrail of the plan stands, in the plan's order. */
export function checkGuardrails(_plan: Plan, _evidence: Evidence): GuardrailCheck[] {
  throw new Error('not written yet');
}

/** What to do with a rollout, in the order in which the reasons count; `now` in epoch milliseconds opens calendar windows. */
export function decide(_plan: Plan, _progress: Progress, _observation: Observation, _now: number): Decision {
  throw new Error('not written yet');
}
