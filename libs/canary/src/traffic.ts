import { requestsOf, unitsOf } from './sums.js';
import type { Window } from './sums.js';

/** What was seen of the traffic, whatever it says about the canary. */
export type TrafficEvidence = {
  /** Both arms' requests per ms lately, and the start (ms) of the newest window. */
  readonly rate: number;
  readonly at: number | null;
  /** The canary's requests in this stage, and first exposures in this epoch. */
  readonly requests: number;
  readonly units: number;
  /** The end (ms) of the newest window of this epoch with both arms. */
  readonly lastBlock: number | null;
  /** The canary's active units against its planned share, in the last windows of this epoch where 20 or more were expected. */
  readonly joined: readonly { readonly active: number; readonly expected: number }[];
  /** Both arms' first exposures in this epoch, windows that had any, and requests by metric. */
  readonly exposed: number;
  readonly exposedWindows: number;
  readonly measured: Readonly<Record<string, number>>;
};

export const NO_TRAFFIC: TrafficEvidence = {
  rate: 0,
  at: null,
  requests: 0,
  units: 0,
  lastBlock: null,
  joined: [],
  exposed: 0,
  exposedWindows: 0,
  measured: {},
};

const JOINED = 3;
const ENOUGH_EXPECTED = 20;
const MEMORY_WINDOWS = 10;

/** What a window means for the traffic. */
export type TrafficWindow = {
  readonly windowMs: number;
  readonly share: number;
  readonly current: boolean;
};

function addRate(
  { rate, at }: TrafficEvidence,
  window: Window,
  windowMs: number,
): Pick<TrafficEvidence, 'rate' | 'at'> {
  const elapsed = at === null ? windowMs : Math.max(windowMs, window.start - at);
  const newest = (requestsOf(window.canary) + requestsOf(window.baseline)) / elapsed;
  const weight = at === null ? 1 : 1 - Math.exp(-elapsed / (MEMORY_WINDOWS * windowMs));
  return { rate: rate + weight * (newest - rate), at: Math.max(at ?? window.start, window.start) };
}

function addJoined(evidence: TrafficEvidence, window: Window, share: number): TrafficEvidence['joined'] {
  // Control's units tell how many the canary should have: the canary's own number is what is in doubt.
  const expected = share < 1 ? (unitsOf(window.baseline) * share) / (1 - share) : 0;
  if (expected < ENOUGH_EXPECTED) return evidence.joined;
  return [...evidence.joined, { active: unitsOf(window.canary), expected }].slice(-JOINED);
}

function addMeasured(measured: TrafficEvidence['measured'], window: Window): TrafficEvidence['measured'] {
  const sums = { ...measured };
  for (const { metrics } of [window.canary, window.baseline])
    for (const [name, { n }] of Object.entries(metrics)) sums[name] = (sums[name] ?? 0) + n;
  return sums;
}

/** The evidence with one window more. */
export function addTraffic(
  evidence: TrafficEvidence,
  window: Window,
  { windowMs, share, current }: TrafficWindow,
): TrafficEvidence {
  const canary = requestsOf(window.canary);
  const next = {
    ...evidence,
    ...addRate(evidence, window, windowMs),
  };
  if (!current) return next;
  const isBlock = canary > 0 && (share === 1 || requestsOf(window.baseline) > 0);
  const exposed = window.canary.first.n + window.baseline.first.n;
  return {
    ...next,
    requests: evidence.requests + canary,
    units: evidence.units + window.canary.first.n,
    lastBlock: isBlock ? Math.max(evidence.lastBlock ?? 0, window.start + windowMs) : evidence.lastBlock,
    joined: addJoined(evidence, window, share),
    exposed: evidence.exposed + exposed,
    exposedWindows: evidence.exposedWindows + (exposed > 0 ? 1 : 0),
    measured: addMeasured(evidence.measured, window),
  };
}

/** True when the canary shows under half of its planned active units over the last three joined windows: crash loops. */
export function isMissing({ joined }: TrafficEvidence): boolean {
  if (joined.length < JOINED) return false;
  const active = joined.reduce((sum, window) => sum + window.active, 0);
  const expected = joined.reduce((sum, window) => sum + window.expected, 0);
  return active < expected / 2;
}

/** How long (ms) data may be missing before a rollout holds: 5 windows, 60 s, or three times as long as a canary request usually takes to come. */
export function patience({ rate }: TrafficEvidence, windowMs: number, share: number): number {
  const oneRequest = rate > 0 && share > 0 ? 1 / (rate * share) : 0;
  return Math.max(5 * windowMs, 60_000, 3 * oneRequest);
}
