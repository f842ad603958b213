import { alphaOf, neededRequests } from './alpha.js';
import type { GuardrailCheck, Reason } from './decision.js';
import type { Evidence } from './evidence.js';
import type { Plan, Stage } from './plan.js';
import { evidenceText, progressOf, reason } from './reasons.js';
import { pastRate } from './tested.js';

const SAFE = Math.log(20);
const WARMUP_REQUESTS = 1000;
const WARMUP_FAILURES = 20;

function samples({ minSamples }: Stage, { traffic }: Evidence): Reason[] {
  const { requests, units } = minSamples;
  const lacking = [
    ...(traffic.requests < requests ? [progressOf(traffic.requests, requests, 'requests')] : []),
    ...(traffic.units < units ? [progressOf(traffic.units, units, 'units')] : []),
  ];
  return lacking.length === 0
    ? []
    : [reason('min_samples', `The canary has seen ${lacking.join(' and ')} of this stage.`)];
}

function power(plan: Plan, ratio: number, evidence: Evidence, { guardrail, name }: GuardrailCheck): Reason[] {
  const known = evidence.guardrails[guardrail];
  if (known?.kind !== 'tested' || known.since === null) return [];
  const limit = plan.guardrails[guardrail];
  const rate = limit?.kind === 'limit' ? limit.limit : pastRate(known);
  const needed = neededRequests(alphaOf(plan, guardrail), rate, ratio);
  if (known.stage >= needed) return [];
  const seen = progressOf(known.stage, needed, 'observations');
  return [reason('not_powered', `${name}: ${seen} needed to find ${ratio} times the rate.`, guardrail)];
}

function proof(evidence: Evidence, { guardrail, name }: GuardrailCheck): Reason[] {
  const known = evidence.guardrails[guardrail];
  if (known?.kind !== 'tested') return [];
  const { maxLnE } = known.proof;
  if (maxLnE !== null && maxLnE >= SAFE) return [];
  return [
    reason('not_proven', `${name} is not proven safe: evidence ${evidenceText(maxLnE ?? 0)} against 20.`, guardrail),
  ];
}

/** Steps 5 and 6: the samples and the evidence that a stage asks for and does not have yet. */
export function lack(
  plan: Plan,
  stage: Stage,
  evidence: Evidence,
  checks: readonly GuardrailCheck[],
): { readonly step: 5 | 6; readonly reasons: Reason[] } {
  const missing = samples(stage, evidence);
  if (missing.length > 0) return { step: 5, reasons: missing };
  const { evidence: asked } = stage;
  if (asked === 'none') return { step: 6, reasons: [] };
  const judges = checks.filter(({ action }) => action === 'rollback');
  const reasons =
    'powered' in asked
      ? judges.flatMap((check) => power(plan, asked.powered.ratio, evidence, check))
      : judges
          .filter(({ guardrail }) => plan.guardrails[guardrail]?.kind !== 'limit')
          .flatMap((check) => proof(evidence, check));
  return { step: 6, reasons };
}

/** What the warm-up still lacks: 1,000 observations of control with 20 failures, and thresholds that are learned. */
export function warmupLacks(
  plan: Plan,
  { guardrails }: Evidence,
  checks: readonly GuardrailCheck[],
  learned: (index: number) => boolean,
): string[] {
  return checks.flatMap(({ guardrail, name }) => {
    const known = guardrails[guardrail];
    if (known?.kind !== 'tested' || plan.guardrails[guardrail]?.kind === 'limit') return [];
    if (known.since === null) return learned(guardrail) ? [] : [`${name} learns its threshold`];
    const { n, k } = known.warmup;
    if (n >= WARMUP_REQUESTS && k >= WARMUP_FAILURES) return [];
    return [
      `${name}: ${progressOf(n, WARMUP_REQUESTS, 'observations')} and ${progressOf(k, WARMUP_FAILURES, 'failures')} of control`,
    ];
  });
}
