import { alphaOf } from './alpha.js';
import type { GuardrailCheck } from './decision.js';
import { dispersion } from './dispersion.js';
import type { Evidence, GuardrailEvidence } from './evidence.js';
import type { Guardrail, Plan } from './plan.js';
import { isBroken } from './point.js';
import { floorsMet } from './tested.js';

/** "errors", "latency p95", "latency mean", "errors limit": what people call a guardrail. */
export function guardrailName(guardrail: Guardrail): string {
  const { metric } = guardrail;
  switch (guardrail.kind) {
    case 'rate':
      return metric;
    case 'quantile':
      return `${metric} p${Number((guardrail.quantile * 100).toFixed(1))}`;
    case 'mean':
      return `${metric} mean`;
    case 'limit':
      return guardrail.test === 'rate' ? `${metric} limit` : `${metric} ${guardrail.of} limit`;
  }
}

/** The limit of ln E: a part of alpha for those that roll back, all of it for others and for limits in the watch. */
function lnLimit(plan: Plan, index: number, watching: boolean): number {
  return -Math.log(watching && plan.guardrails[index]?.kind === 'limit' ? plan.alpha : alphaOf(plan, index));
}

type Standing = Pick<GuardrailCheck, 'lnE' | 'maxLnE' | 'canary' | 'baseline' | 'over' | 'dispersion' | 'newest'> & {
  readonly floors: boolean;
};

const NONE = { n: 0, k: 0 };

function standing(guardrail: Guardrail, known: GuardrailEvidence): Standing {
  switch (known.kind) {
    case 'tested': {
      const { process, totals, over, groups } = known;
      const tested = 'floors' in guardrail;
      return {
        lnE: process.lnE,
        maxLnE: process.maxLnE,
        ...totals,
        over,
        dispersion: tested ? dispersion(groups, guardrail.dispersion) : null,
        newest: null,
        floors: tested && floorsMet(guardrail, known),
      };
    }
    case 'mean': {
      const { lnE, maxLnE, moments } = known;
      const [canary, baseline] = [moments.canary, moments.baseline].map(([n]) => ({ n, k: 0 }));
      return {
        lnE,
        maxLnE,
        canary: canary ?? NONE,
        baseline: baseline ?? NONE,
        over: null,
        dispersion: null,
        newest: null,
        floors: true,
      };
    }
    case 'point':
      return {
        lnE: null,
        maxLnE: null,
        canary: NONE,
        baseline: NONE,
        over: null,
        dispersion: null,
        newest: known.newest,
        floors: true,
      };
  }
}

function verdictOf(guardrail: Guardrail, known: GuardrailEvidence, reached: boolean): GuardrailCheck['verdict'] {
  if (known.kind === 'point') {
    if (guardrail.kind === 'limit' && guardrail.test === 'point' && isBroken(guardrail, known)) return 'fail';
    return known.beyond.length === 0 ? 'inconclusive' : 'pass';
  }
  if (reached) return 'fail';
  const blocks = known.kind === 'tested' ? known.process.blocks : known.blocks;
  return blocks === 0 ? 'inconclusive' : 'pass';
}

/** How every guardrail stands, in the plan's order. The overridden ones (indices) only warn. */
export function checkGuardrails(plan: Plan, evidence: Evidence, overridden: readonly number[] = []): GuardrailCheck[] {
  return plan.guardrails.flatMap((guardrail, index) => {
    const known = evidence.guardrails[index];
    if (known === undefined) return [];
    const action = overridden.includes(index) ? 'warn' : guardrail.action;
    const { floors, ...stands } = standing(guardrail, known);
    const limit = known.kind === 'point' ? null : lnLimit(plan, index, evidence.phase === 'watch');
    const compared = guardrail.action === 'rollback' ? stands.maxLnE : stands.lnE;
    const reached = limit !== null && compared !== null && compared >= limit;
    const acts = reached && (guardrail.action !== 'rollback' || floors);
    const verdict = verdictOf(guardrail, known, acts);
    return [
      { guardrail: index, name: guardrailName(guardrail), metric: guardrail.metric, action, limit, ...stands, verdict },
    ];
  });
}
