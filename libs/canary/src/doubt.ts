import { milliseconds } from './duration.js';
import type { GuardrailCheck, Progress, Reason } from './decision.js';
import { shareNow } from './evidence.js';
import type { Evidence } from './evidence.js';
import type { Plan } from './plan.js';
import { evidenceText, figures, percent, progressOf, reason } from './reasons.js';
import { isMissing, patience } from './traffic.js';

/** Exposures and windows of an epoch after which a metric that nobody measured is missing. */
const ENOUGH_EXPOSURES = 20;
const ENOUGH_WINDOWS = 3;

function armsDiffer({ phase, acknowledged }: Evidence, checks: readonly GuardrailCheck[]): Reason[] {
  if (phase !== 'warmup' || acknowledged.includes('arms_differ')) return [];
  return checks
    .filter(({ action, verdict }) => action === 'rollback' && verdict === 'fail')
    .map((check) =>
      reason('arms_differ', `The arms differ before anybody gets the canary: ${figures(check)}`, check.guardrail),
    );
}

function sampleRatio(plan: Plan, evidence: Evidence): Reason[] {
  const { ratio, acknowledged } = evidence;
  if (!ratio.alert || acknowledged.includes('sample_ratio')) return [];
  const { canary, baseline } = ratio.first;
  const [planned, real] = [shareNow(plan, evidence), canary / (canary + baseline)].map(percent);
  const what = progressOf(canary, canary + baseline, 'first exposures');
  return [
    reason(
      'sample_ratio',
      `The canary has ${real} of the units instead of ${planned}, ${what}, evidence ${evidenceText(ratio.lnE)} against 1,000`,
    ),
  ];
}

function notInstrumented(plan: Plan, { traffic }: Evidence): Reason[] {
  if (traffic.exposed < ENOUGH_EXPOSURES || traffic.exposedWindows < ENOUGH_WINDOWS) return [];
  const silent = new Set(plan.guardrails.map(({ metric }) => metric).filter((metric) => !traffic.measured[metric]));
  return [...silent].map((metric) =>
    reason(
      'not_instrumented',
      `The flag is evaluated, but nothing reports "${metric}": wrap the code in run or track.`,
    ),
  );
}

function noData(plan: Plan, evidence: Evidence, now: number): Reason[] {
  const { traffic, epochSince } = evidence;
  const wait = patience(traffic, milliseconds(plan.window), shareNow(plan, evidence));
  const silence = now - Math.max(traffic.lastBlock ?? 0, epochSince);
  if (silence <= wait) return [];
  return [
    reason(
      'no_data',
      `No data of both arms for ${Math.round(silence / 1000)} s; expected some within ${Math.round(wait / 1000)} s.`,
    ),
  ];
}

function learning(plan: Plan, { phase, stage, guardrails }: Evidence, checks: readonly GuardrailCheck[]): Reason[] {
  const next = plan.stages[stage + 1];
  if (phase !== 'baking' || (next !== undefined && next.percentage < 100)) return [];
  return checks.flatMap(({ guardrail, name, action }) => {
    const known = guardrails[guardrail];
    if (known?.kind !== 'tested' || known.since !== null || action === 'warn') return [];
    return [reason('learning', `${name} still learns its threshold from control.`, guardrail)];
  });
}

/**
 * Step 3 before the watch: what makes the figures doubtful, or bad enough to stop the clock. Missing data never passes and
 * never fails.
 */
export function doubt(plan: Plan, { evidence }: Progress, checks: readonly GuardrailCheck[], now: number): Reason[] {
  const baking = evidence.phase !== 'warmup';
  const holding = checks.filter(({ action, verdict }) => baking && action === 'hold' && verdict === 'fail');
  return [
    ...armsDiffer(evidence, checks),
    ...holding.map((check) => reason('guardrail_hold', figures(check), check.guardrail)),
    ...sampleRatio(plan, evidence),
    ...notInstrumented(plan, evidence),
    ...(isMissing(evidence.traffic)
      ? [
          reason(
            'reports_missing',
            'The canary shows under half of the active units that its share would have: are its processes crashing?',
          ),
        ]
      : []),
    ...noData(plan, evidence, now),
    ...learning(plan, evidence, checks),
  ];
}
