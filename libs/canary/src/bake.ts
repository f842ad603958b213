/**
 * The milliseconds by which a tick lengthens the bake: since the last tick, never less than none, never more than two
 * windows, so that neither a step of the clock nor an outage completes a bake. Counts only when the decision `bakes`.
 */
export function bakeStep(lastTick: number, now: number, windowMs: number): number {
  return Math.max(0, Math.min(now - lastTick, 2 * windowMs));
}
