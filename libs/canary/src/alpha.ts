import type { Guardrail, Plan } from './plan.js';

const spends = (guardrail: Guardrail | undefined): guardrail is Guardrail & { weight: number } =>
  guardrail !== undefined && 'weight' in guardrail && guardrail.action === 'rollback';

/** A guardrail's part of alpha: shared by weight among those that roll back and reckon with chance; all of it for others. */
export function alphaOf(plan: Plan, index: number): number {
  const guardrail = plan.guardrails[index];
  if (!spends(guardrail)) return plan.alpha;
  const sum = plan.guardrails.filter(spends).reduce((total, { weight }) => total + weight, 0);
  return (plan.alpha * guardrail.weight) / sum;
}

/**
 * The canary's observations by which a guardrail usually has found `ratio` times a rate: 2 (ln 1/α + ln 14) over the
 * Kullback-Leibler drift θ (r ln r − r + 1) of rare events; ln 14 pays for seven effects and the start's half weight.
 */
export function neededRequests(alpha: number, rate: number, ratio: number): number {
  return Math.ceil((2 * (Math.log(1 / alpha) + Math.log(14))) / (rate * (ratio * Math.log(ratio) - ratio + 1)));
}
