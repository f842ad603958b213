import type { Serve } from './flag.js';
import type { Sample } from './sample.js';
import { distribution } from './sequence.js';
import type { Sequence, Served } from './sequence.js';

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

function isSharing(serve: Serve | null): boolean {
  return serve === null || 'variant' in serve || serve.split.some(({ weight }) => weight > 0);
}

/**
 * What everyone else gets: those whom no gate lets in. Of a split the first of `usual` that is in it, else its heaviest variant,
 * which is what most of them get.
 */
function baselineOf({ stages }: Sequence, usual: readonly Served[]): Served {
  const last = stages.find(({ gate, serve }) => (gate === undefined ? isSharing(serve) : gate.otherwise !== undefined));
  if (last?.gate?.otherwise !== undefined) return last.gate.otherwise;
  const serve = last?.serve ?? null;
  if (serve === null || 'variant' in serve) return serve?.variant ?? null;
  const shares = serve.split.filter(({ weight }) => weight > 0).toSorted((a, b) => b.weight - a.weight);
  const known = usual.find((served) => shares.some(({ variant }) => variant === served));
  return known ?? shares[0]?.variant ?? null;
}

/** What is no treatment: what everyone else gets before and after. A variant that outgrows it does not become it. */
function baselinesOf(before: Sequence, after: Sequence): ReadonlySet<Served> {
  const first = baselineOf(before, [before.off]);
  return new Set([first, baselineOf(after, [first, after.off])]);
}

/** Sends every unit of the sample through both sequences. */
export function movement(before: Sequence, after: Sequence, sample: Sample): Movement {
  const shares = [distribution(before), distribution(after)] as const;
  const variants = [...new Set([...shares[0].keys(), ...shares[1].keys()])].sort((a, b) =>
    (a ?? '') < (b ?? '') ? -1 : 1,
  );
  const { size } = sample;
  const axis = new Map(variants.map((variant, position) => [variant, position]));
  const matrix = variants.map(() => variants.map(() => 0));
  sample.compare(before, after, (from, to, units) => {
    const row = matrix[axis.get(from) ?? 0];
    if (row !== undefined) row[axis.get(to) ?? 0] = units;
  });
  const moves = matrix.flatMap((cells, row) =>
    cells.flatMap((units, column): Move[] => {
      if (row === column || units === 0) return [];
      return [{ from: variants[row] ?? null, to: variants[column] ?? null, ...shareOf(units, size) }];
    }),
  );
  const baselines = baselinesOf(before, after);
  const switched = moves.filter((move) => !baselines.has(move.from) && !baselines.has(move.to));
  const sum = (some: readonly Move[]): number => some.reduce((total, { units }) => total + units, 0);
  return {
    units: size,
    variants,
    matrix,
    moved: shareOf(sum(moves), size),
    minimum: minimumMoved(...shares),
    switched: shareOf(sum(switched), size),
    moves: moves.sort((a, b) => b.units - a.units),
  };
}
