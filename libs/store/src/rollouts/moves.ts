import { whoMoves, type Flag, type Movement, type WhoMoves } from '@fledge/evaluation';
import type { Surroundings } from '../surroundings.js';

/** Synthetic units that a start is tried on: its transaction holds the environment's lock meanwhile. */
export const SAMPLE = 20_000;

/** From which variant to which a start may move anybody. */
export type AllowedMove = { readonly baseline: string; readonly canary: string };

/** Everything that a comparison says about anybody. */
const movementsOf = ({ everyone, audiences }: WhoMoves): readonly Movement[] =>
  everyone === null ? audiences.map(({ movement }) => movement) : [everyone];

/** Whether anybody would go elsewhere than from baseline to canary. */
export function movesOthers(moves: WhoMoves, { baseline, canary }: AllowedMove): boolean {
  return movementsOf(moves).some(({ moves: each }) => each.some(({ from, to }) => from !== baseline || to !== canary));
}

/**
 * Whether taking the rule away would move anybody who gets the baseline from it: then the way back leads elsewhere. `idle` is the
 * flag with the rule at 0 %, `without` the flag without it.
 */
export function rollbackMoves(idle: Flag, without: Flag, surroundings: Surroundings): WhoMoves | undefined {
  const moves = whoMoves(idle, without, surroundings, SAMPLE);
  return movementsOf(moves).some(({ moves: each }) => each.length > 0) ? moves : undefined;
}
