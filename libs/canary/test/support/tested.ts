import { completePlan } from '@fledge/canary';
import type { GuardrailDocument, Sums } from '@fledge/canary';
import { addTested, startTested } from '../../src/tested.js';
import type { TestedBlock, TestedEvidence, TestedGuardrail } from '../../src/tested.js';

/** A tested guardrail with the usual defaults, independent observations and no floors but what the part says. */
export function testedOf(part: GuardrailDocument): TestedGuardrail {
  const floors = { failures: 0, requests: 0, units: 0, windows: 0 };
  const document: GuardrailDocument = { dispersion: 1, floors, ...part };
  const guardrail = completePlan({ stages: [], guardrails: [document] }).guardrails[0];
  if (guardrail === undefined || !('floors' in guardrail)) throw new Error('Expected a guardrail that tests a share.');
  return guardrail;
}

/** Errors without any margin. */
export function rateOf(part: Partial<GuardrailDocument> = {}): TestedGuardrail {
  return testedOf({ metric: 'errors', margin: { relative: 0, absolute: 0 }, ...part });
}

export function limitOf(limit: number): TestedGuardrail {
  return testedOf({ metric: 'errors', kind: 'limit', test: 'rate', limit });
}

export function startedOf(guardrail: TestedGuardrail): TestedEvidence {
  return startTested(guardrail, 1);
}

/** So many observations and failures in every counting mode, without groups. */
export function sumsOf(n: number, k: number): Sums {
  return { n, k, a: n, f: k, r: n, g: k, N: [], K: [] };
}

export function blockOf(kc: number, nc: number, kb: number, nb: number): TestedBlock {
  return { canary: sumsOf(nc, kc), baseline: sumsOf(nb, kb), horizon: 360, warmup: false, ofStage: true, proof: null };
}

export const stepped = addTested;
