import { threshold } from './bucket.js';
import type { Gate, Serve, Split } from './flag.js';
import { minimumMoved } from './movement.js';
import type { Movement } from './movement.js';
import { distribution } from './sequence.js';
import type { Sequence, Served, Stage } from './sequence.js';

/** An edit that moves fewer than the one intended and gives every variant that grows the same share. */
export type LighterEdit = {
  /** What to do instead, in words. */
  readonly text: string;
  /** The variant that grows most; null when none does, and the edit only shuffles. */
  readonly variant: string | null;
  /** The share of the audience that the variant gets either way; 0 for null. */
  readonly share: number;
  /** What the rule's gate would be, when it is that which changes. */
  readonly gate?: Gate;
  /** What the rule or fallthrough would serve, when it is that which changes. */
  readonly serve?: Serve;
  /** The share of units that this edit moves. */
  readonly moved: number;
};

type Candidate = Pick<LighterEdit, 'text' | 'gate' | 'serve'>;

const MOST_WEIGHT = 100_000;
/** Shares that differ by no more are the same. */
const TOLERANCE = 0.0005;

function isSplit(serve: Serve | null): serve is Split {
  return serve !== null && 'split' in serve;
}

type Shares = ReadonlyMap<Served, number>;

/** The variants that gain, the one that gains most first. */
function growing(before: Shares, after: Shares): Served[] {
  const gains = [...after].map(([variant, share]) => ({ variant, gain: share - (before.get(variant) ?? 0) }));
  return gains
    .filter(({ gain }) => gain > TOLERANCE)
    .sort((a, b) => b.gain - a.gain)
    .map(({ variant }) => variant);
}

/** The old weights with one variant at the wanted share: the others keep their proportions, so only that one's units move. */
function reweighted(split: Split, variant: string, share: number): Split | undefined {
  const others = split.split.filter((one) => one.variant !== variant && one.weight > 0);
  const sum = others.reduce((total, { weight }) => total + weight, 0);
  if (sum === 0 || share >= 1) return undefined;
  const exact = (sum * share) / (1 - share);
  const scale = Math.max(1, Math.floor(MOST_WEIGHT / Math.max(exact, ...others.map(({ weight }) => weight))));
  const weight = Math.round(exact * scale);
  if (weight > MOST_WEIGHT) return undefined;
  const scaled = others.map((one) => ({ variant: one.variant, weight: one.weight * scale }));
  return { ...split, split: [...scaled, { variant, weight }] };
}

function withSaltOf<T extends Gate | Split>(draw: T, old: Gate | Split): T {
  const { salt: _, ...rest } = draw;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the salt is optional in both
  return { ...rest, ...(old.salt !== undefined && { salt: old.salt }) } as T;
}

/** What could be done to the old stage so that the variant gets the share. */
function fromOld({ gate, serve }: Stage, variant: string | null, share: number): Candidate[] {
  if (variant === null) return [];
  if (isSplit(serve)) {
    const changed = reweighted(serve, variant, share);
    const text = `keep the split and change the weight of ${variant} alone`;
    return changed === undefined ? [] : [{ text, serve: changed }];
  }
  if (gate === undefined || serve === null) return [];
  if (serve.variant === variant) {
    const percentage = Math.round(share * 100_000) / 1000;
    return [{ text: `keep the gate and change its percentage to ${percentage}`, gate: { ...gate, percentage } }];
  }
  const inside = share / (threshold(gate.percentage) / 2 ** 32);
  if (!(inside < 1)) return [];
  const weight = Math.round(inside * MOST_WEIGHT);
  const split = [
    { variant: serve.variant, weight: MOST_WEIGHT - weight },
    { variant, weight },
  ];
  return [{ text: `keep the gate and split inside it`, serve: { split } }];
}

/** What could be kept in the new stage. */
function fromNew(was: Stage, becomes: Stage): Candidate[] {
  const text = 'keep the salt';
  const found: Candidate[] = [];
  if (was.gate !== undefined && becomes.gate !== undefined && was.gate.salt !== becomes.gate.salt)
    found.push({ text, gate: withSaltOf(becomes.gate, was.gate) });
  if (isSplit(was.serve) && isSplit(becomes.serve) && was.serve.salt !== becomes.serve.salt)
    found.push({ text, serve: withSaltOf(becomes.serve, was.serve) });
  return found;
}

function replaced(sequence: Sequence, index: number, stage: Stage, { gate, serve }: Candidate): Sequence {
  return {
    ...sequence,
    stages: sequence.stages.with(index, { gate: gate ?? stage.gate, serve: serve ?? stage.serve }),
  };
}

/** A lighter edit of the first stage that differs, if one of those known is lighter; `move` tries an edit. */
export function lighterEdit(
  before: Sequence,
  after: Sequence,
  intended: Movement,
  move: (after: Sequence) => Movement,
): LighterEdit | undefined {
  // Whatever gives the growing variants the same shares moves as many as these gain, so no edit does better than the minimum.
  if (intended.moved.share - intended.moved.error <= intended.minimum) return undefined;
  const index = after.stages.findIndex((stage, at) => JSON.stringify(stage) !== JSON.stringify(before.stages[at]));
  const [was, becomes] = [before.stages[index], after.stages[index]];
  if (was === undefined || becomes === undefined) return undefined;
  const wanted = distribution(after);
  const grow = growing(distribution(before), wanted);
  const variant = grow[0] ?? null;
  const share = variant === null ? 0 : (wanted.get(variant) ?? 0);
  const reaches = (sequence: Sequence): boolean => {
    const shares = distribution(sequence);
    if (grow.length === 0) return minimumMoved(shares, wanted) <= TOLERANCE;
    return grow.every((one) => Math.abs((shares.get(one) ?? 0) - (wanted.get(one) ?? 0)) <= TOLERANCE);
  };
  const tries = [
    { edit: { text: 'leave it as it is: the shares are the same already' }, sequence: before },
    ...fromOld(was, variant, share).map((edit) => ({ edit, sequence: replaced(before, index, was, edit) })),
    ...fromNew(was, becomes).map((edit) => ({ edit, sequence: replaced(after, index, becomes, edit) })),
  ];
  const lighter = tries
    .filter(({ sequence }) => reaches(sequence))
    .map(({ edit, sequence }) => ({ ...edit, variant, share, moved: move(sequence).moved.share }))
    .filter(({ moved }) => moved < intended.moved.share - intended.moved.error)
    .sort((a, b) => a.moved - b.moved);
  return lighter[0];
}
