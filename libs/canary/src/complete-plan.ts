import { LONGEST_DURATION, durationText, milliseconds } from './duration.js';
import type {
  Floors,
  Guardrail,
  GuardrailDocument,
  Margin,
  MinSamples,
  Plan,
  PlanDocument,
  Stage,
  StageDocument,
} from './plan.js';

const HOUR = 3_600_000;
const MIN_SAMPLES: MinSamples = { requests: 500, units: 100 };
const MIN_BAKE = '30m';
const FLOORS: Floors = { failures: 5, requests: 20, units: 3, windows: 2 };
const MARGIN: Margin = { relative: 0.1, absolute: null };
const MEAN_MARGIN = 0.05;

const GUARDRAILS: readonly GuardrailDocument[] = [{ metric: 'errors' }, { metric: 'latency' }];

function completeStage(stage: StageDocument): Stage {
  const last = stage.percentage === 100;
  const minBake = last ? '0s' : (stage.minBake ?? MIN_BAKE);
  const longest = durationText(Math.min(Math.max(4 * milliseconds(minBake), HOUR), LONGEST_DURATION));
  return {
    percentage: stage.percentage,
    minBake,
    maxBake: last ? '0s' : (stage.maxBake ?? longest),
    minSamples: last ? { requests: 0, units: 0 } : { ...MIN_SAMPLES, ...stage.minSamples },
    evidence: stage.evidence ?? 'none',
    onInconclusive: stage.onInconclusive ?? 'hold',
    gates: (stage.gates ?? []).map((gate) => (gate.type === 'approval' ? { fourEyes: false, ...gate } : gate)),
  };
}

/** What a guardrail on a metric is when it does not say so. */
export function usualKind(metric: unknown): 'rate' | 'quantile' | undefined {
  if (metric === 'errors') return 'rate';
  return metric === 'latency' ? 'quantile' : undefined;
}

function completeGuardrail(guardrail: GuardrailDocument): Guardrail {
  const { metric, kind = usualKind(metric), action = 'rollback', limit = 1 } = guardrail;
  if (kind === 'mean') {
    const relative = guardrail.margin?.relative ?? MEAN_MARGIN;
    return { metric, kind, action: guardrail.action === 'hold' ? 'hold' : 'warn', margin: { relative } };
  }
  if (kind === 'limit' && guardrail.test === 'point') {
    const { of = usualKind(metric) === 'quantile' ? 'p95' : 'rate', windows = [3, 5] } = guardrail;
    return { metric, kind, test: 'point', action, of, limit, windows };
  }
  const { count = 'unit_window', weight = 1, dispersion = 3 } = guardrail;
  const tested = { metric, action, count, weight, dispersion, floors: { ...FLOORS, ...guardrail.floors } };
  if (kind === 'limit') return { ...tested, kind, test: 'rate', limit };
  const margin = { ...MARGIN, ...guardrail.margin };
  if (kind !== 'quantile') return { ...tested, kind: 'rate', margin };
  return { ...tested, kind, margin, quantile: guardrail.quantile ?? 0.95, overMs: guardrail.overMs ?? null };
}

/** The plan with every default filled in; the same plan again when it is complete. Judged by `validatePlan` first. */
export function completePlan(document: PlanDocument): Plan {
  return {
    stages: document.stages.map(completeStage),
    guardrails: (document.guardrails ?? GUARDRAILS).map(completeGuardrail),
    warmup: document.warmup ?? '10m',
    watch: document.watch ?? '24h',
    alpha: document.alpha ?? 0.05,
    window: document.window ?? '30s',
  };
}
