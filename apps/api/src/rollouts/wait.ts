import { parseDuration } from '@fledge/canary';
import type { RolloutDocument } from '@fledge/store';
import { RequestError } from '../http/problem.js';

/** How far a rollout is to have come. */
export type Until =
  { readonly kind: 'terminal' } | { readonly kind: 'gate' } | { readonly kind: 'stage'; readonly stage: number };

/** Proxies give up after a minute. */
const LONGEST_MS = 60_000;

/** Reads what is waited for, and how long. @throws RequestError 400 */
export function readWait(query: { readonly until: string; readonly timeout: string }): {
  until: Until;
  timeoutMs: number;
} {
  const timeoutMs = parseDuration(query.timeout);
  if (timeoutMs === undefined || timeoutMs > LONGEST_MS) throw malformed('timeout', 'a duration of at most 60s');
  return { until: readUntil(query.until), timeoutMs };
}

function readUntil(text: string): Until {
  if (text === 'terminal' || text === 'gate') return { kind: text };
  const stage = /^stage:(\d{1,3})$/.exec(text)?.[1];
  if (stage === undefined) throw malformed('until', 'terminal, gate, or stage: and a number');
  return { kind: 'stage', stage: Number(stage) };
}

const malformed = (name: string, expected: string): RequestError =>
  new RequestError(400, 'bad_request', `${name}: expected ${expected}.`, {
    errors: [{ pointer: `/${name}`, code: 'format', message: `Expected ${expected}.` }],
  });

/** Whether it has come so far, or is over and will never. */
export function isReached(rollout: Pick<RolloutDocument, 'state' | 'phase' | 'stage'>, until: Until): boolean {
  const { state, phase, stage } = rollout;
  if (state === 'completed' || state === 'rolled_back' || state === 'cancelled') return true;
  if (state === 'scheduled' || until.kind === 'terminal') return false;
  if (until.kind === 'gate') return phase === 'awaiting_gate';
  return phase !== 'warmup' && stage >= until.stage;
}
