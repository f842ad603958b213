import type { GuardrailCheck, Reason, ReasonCode } from './decision.js';

const count = (n: number): string => Math.round(n).toLocaleString('en-US');

/** A share as people write it: "2.4 %". */
export function percent(share: number): string {
  return `${Number((share * 100).toPrecision(2))} %`;
}

const rate = ({ n, k }: { readonly n: number; readonly k: number }): string => (n === 0 ? 'nothing' : percent(k / n));

/** E as people read it: 96, 1.2e+12. */
export function evidenceText(lnE: number): string {
  if (lnE < Math.log(10)) return String(Number(Math.exp(lnE).toPrecision(2)));
  return lnE < Math.log(1e6) ? count(Math.exp(lnE)) : `10^${Math.floor(lnE / Math.LN10)}`;
}

/** A reason. */
export function reason(code: ReasonCode, message: string, guardrail?: number): Reason {
  return { code, message, ...(guardrail !== undefined && { guardrail }) };
}

/** What a guardrail at its limit shows: "errors 2.4 % against 0.8 %, 31 of 1,290, evidence 96 against 40". */
export function figures({ name, over, canary, baseline, maxLnE, lnE, limit, action, newest }: GuardrailCheck): string {
  if (limit === null)
    return `${name}: ${newest === null ? 'nothing' : Number(newest.toPrecision(3))} in the newest window`;
  const evidence = (action === 'rollback' ? maxLnE : lnE) ?? 0;
  const against = `evidence ${evidenceText(evidence)} against ${evidenceText(limit)}`;
  if (name.endsWith(' mean')) return `${name} is higher than control's, ${count(canary.n)} requests, ${against}`;
  const what = over === null ? name : `${name} over ${Number(over.toPrecision(3))} ms:`;
  return `${what} ${rate(canary)} against ${rate(baseline)}, ${count(canary.k)} of ${count(canary.n)}, ${against}`;
}

/** "12 of 500 requests". */
export function progressOf(done: number, wanted: number, what: string): string {
  return `${count(done)} of ${count(wanted)} ${what}`;
}
