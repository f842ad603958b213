import { threshold } from './bucket.js';
import type { Flag, Gate, Serve, Split } from './flag.js';
import { fmix32, murmur3 } from './murmur3.js';
import { winner } from './split.js';

/** A variant, or null for the caller's default. */
export type Served = string | null;

/** One rule that is met: who its gate lets in gets what it serves, others go on unless there is an `otherwise`. */
export type Stage = { readonly gate: Gate | undefined; readonly serve: Serve | null };

/** What an audience goes through, in order; whoever nothing decides gets the caller's default. */
export type Sequence = { readonly salt: string; readonly stages: readonly Stage[] };

const WHOLE = 2 ** 32;
const UNIT = 'targetingKey';

function place(draw: Gate | Split, salt: string): { readonly stream: string; readonly salt: string } {
  return { stream: draw.bucketBy ?? UNIT, salt: draw.salt ?? salt };
}

/** The hashes of synthetic units, a stream of them for each attribute that is bucketed. */
export type Streams = (attribute: string) => Int32Array;

/** Streams of so many units: `sample-0 …` for the targeting key, and others for every other attribute. */
export function createStreams(sample: number): Streams {
  const streams = new Map<string, Int32Array>();
  return (attribute) => {
    const known = streams.get(attribute);
    if (known !== undefined) return known;
    const prefix = attribute === UNIT ? 'sample-' : `${attribute}:sample-`;
    const hashes = Int32Array.from({ length: sample }, (_, index) => murmur3(`${prefix}${index}`));
    streams.set(attribute, hashes);
    return hashes;
  };
}

type Decide = (unit: number) => Served | undefined;

function compileServe(serve: Serve | null, salt: string, streams: Streams): Decide {
  if (serve === null) return () => null;
  if ('variant' in serve) return () => serve.variant;
  const shares = serve.split
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => (a.variant < b.variant ? -1 : 1))
    .map(({ variant, weight }) => ({ variant, weight, hash: murmur3(variant) | 0 }));
  const at = place(serve, salt);
  const [hashes, saltHash] = [streams(at.stream), murmur3(at.salt) | 0];
  return (unit) => shares[winner(fmix32((hashes[unit] ?? 0) ^ saltHash), shares)]?.variant;
}

function compileStage({ gate, serve }: Stage, salt: string, streams: Streams): Decide {
  const inside = compileServe(serve, salt, streams);
  if (gate === undefined) return inside;
  const at = place(gate, salt);
  const [hashes, saltHash, limit] = [streams(at.stream), murmur3(at.salt) | 0, threshold(gate.percentage)];
  return (unit) => (fmix32((hashes[unit] ?? 0) ^ saltHash) >>> 0 < limit ? inside(unit) : gate.otherwise);
}

/** What each synthetic unit gets from a sequence. */
export function compileSequence({ salt, stages }: Sequence, streams: Streams): (unit: number) => Served {
  const decides = stages.map((stage) => compileStage(stage, salt, streams));
  return (unit) => {
    for (const decide of decides) {
      const served = decide(unit);
      if (served !== undefined) return served;
    }
    return null;
  };
}

function sharesOf(serve: Serve | null): readonly (readonly [Served, number])[] {
  if (serve === null) return [[null, 1]];
  if ('variant' in serve) return [[serve.variant, 1]];
  const sum = serve.split.reduce((total, { weight }) => total + weight, 0);
  return sum === 0 ? [] : serve.split.map(({ variant, weight }) => [variant, weight / sum]);
}

/** The buckets of one place that are still undecided, as fractions of all of them. */
type Range = { readonly from: number; readonly to: number };

/**
 * The exact share of an audience that each variant gets. Gates of one place cut the same interval of buckets, those of
 * different places are independent of each other, and so are splits of gates.
 */
export function distribution({ salt, stages }: Sequence): Map<Served, number> {
  const shares = new Map<Served, number>();
  const open = new Map<string, Range>();
  let rest = 1;
  const give = (served: Served, share: number): void => {
    if (share > 0) shares.set(served, (shares.get(served) ?? 0) + share);
  };
  for (const { gate, serve } of stages) {
    const served = sharesOf(serve);
    const isDecided = served.length > 0;
    const key = gate === undefined ? '' : JSON.stringify(place(gate, salt));
    const { from, to } = open.get(key) ?? { from: 0, to: 1 };
    const cut = gate === undefined ? to : Math.min(to, Math.max(from, threshold(gate.percentage) / WHOLE));
    const inside = from < to ? (rest * (cut - from)) / (to - from) : 0;
    const outside = rest - inside;
    for (const [variant, share] of served) give(variant, inside * share);
    if (gate?.otherwise !== undefined) give(gate.otherwise, outside);
    if (isDecided) open.set(key, { from: cut, to });
    else if (gate?.otherwise !== undefined) open.set(key, { from, to: cut });
    rest = (isDecided ? 0 : inside) + (gate?.otherwise === undefined ? outside : 0);
  }
  give(null, rest);
  return shares;
}

/** The sequence of a flag for those who meet the conditions of exactly the rules that `meets` picks. */
export function sequenceOf(flag: Flag, meets: (rule: Flag['rules'][number]) => boolean, holds: boolean): Sequence {
  if (!flag.enabled || !holds) {
    const serve = flag.offVariant === null ? null : { variant: flag.offVariant };
    return { salt: flag.key, stages: [{ gate: undefined, serve }] };
  }
  const rules = flag.rules.filter((rule) => rule.enabled !== false && meets(rule));
  const stages = rules.map(({ gate, serve }) => ({ gate, serve }));
  return { salt: flag.key, stages: [...stages, { gate: undefined, serve: flag.fallthrough }] };
}
