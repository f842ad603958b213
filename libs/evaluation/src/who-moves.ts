import type { Flag } from './flag.js';
import type { Snapshot } from './snapshot.js';

/** A variant's key; null for the caller's default. */
export type Served = string | null;

/** A number of units and their share of the sample, 0 to 1, ± two standard errors. */
export type Share = { readonly units: number; readonly share: number; readonly error: number };

/** Units that get another variant than before. */
export type Move = Share & { readonly from: Served; readonly to: Served };

/** What an edit does to the units of one audience. */
export type Movement = {
  readonly units: number;
  /** The variants that anybody gets, before or after: the axes of the matrix. */
  readonly variants: readonly Served[];
  /** `matrix[i][j]`: how many units get `variants[i]` before and `variants[j]` after. */
  readonly matrix: readonly (readonly number[])[];
  readonly moved: Share;
  /** The share that no edit to the same shares could leave unmoved: the total variation distance. */
  readonly minimum: number;
  /** Those among the moved that go from one treatment to another, neither of which is what everyone else gets. */
  readonly switched: Share;
  /** The moved by where from and to, the largest share first. */
  readonly moves: readonly Move[];
};

/** Which share of units an edit of a flag moves to another variant. */
export type WhoMoves = { readonly sample: number; readonly everyone: Movement | null };

/**
 * Which share of units gets another variant when `before` becomes `after`: exact for the synthetic units `sample-0 …`,
 * one stream of them per attribute that is bucketed. It needs no user data.
 */
export function whoMoves(_before: Flag, _after: Flag, _snapshot: Pick<Snapshot, 'flags'>, sample = 100_000): WhoMoves {
  return { sample, everyone: null };
}
