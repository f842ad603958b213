import { compileSequence, distribution } from './sequence.js';
import type { Sequence, Served, Streams } from './sequence.js';

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

function shareOf(units: number, sample: number): Share {
  const share = units / sample;
  return { units, share, error: 2 * Math.sqrt((share * (1 - share)) / sample) };
}

/** The total variation distance of two distributions. */
export function minimumMoved(before: ReadonlyMap<Served, number>, after: ReadonlyMap<Served, number>): number {
  const all = new Set([...before.keys(), ...after.keys()]);
  return [...all].reduce((sum, key) => sum + Math.abs((before.get(key) ?? 0) - (after.get(key) ?? 0)), 0) / 2;
}

/** What those get whom no rule decides; of a split its heaviest variant, which is what most of them get. */
function baselineOf({ stages }: Sequence): Served | undefined {
  const serve = stages.at(-1)?.serve;
  if (serve === null) return null;
  if (serve === undefined || 'variant' in serve) return serve?.variant;
  return serve.split.toSorted((a, b) => b.weight - a.weight)[0]?.variant;
}

/** Sends every unit of the sample through both sequences. */
export function movement(before: Sequence, after: Sequence, sample: number, streams: Streams): Movement {
  const shares = [distribution(before), distribution(after)] as const;
  const variants = [...new Set([...shares[0].keys(), ...shares[1].keys()])].sort((a, b) =>
    (a ?? '') < (b ?? '') ? -1 : 1,
  );
  const { length } = variants;
  const index = new Map(variants.map((variant, position) => [variant, position]));
  const counts = new Float64Array(length * length);
  const [from, to] = [compileSequence(before, streams), compileSequence(after, streams)];
  for (let unit = 0; unit < sample; unit++) {
    const cell = (index.get(from(unit)) ?? 0) * length + (index.get(to(unit)) ?? 0);
    counts[cell] = (counts[cell] ?? 0) + 1;
  }
  const matrix = variants.map((_, row) => Array.from(counts.subarray(row * length, (row + 1) * length)));
  const moves = matrix.flatMap((cells, row) =>
    cells.flatMap((units, column): Move[] => {
      if (row === column || units === 0) return [];
      return [{ from: variants[row] ?? null, to: variants[column] ?? null, ...shareOf(units, sample) }];
    }),
  );
  const baselines = new Set([baselineOf(before), baselineOf(after)]);
  const switched = moves.filter((move) => !baselines.has(move.from) && !baselines.has(move.to));
  const sum = (some: readonly Move[]): number => some.reduce((total, { units }) => total + units, 0);
  return {
    units: sample,
    variants,
    matrix,
    moved: shareOf(sum(moves), sample),
    minimum: minimumMoved(...shares),
    switched: shareOf(sum(switched), sample),
    moves: moves.sort((a, b) => b.units - a.units),
  };
}
