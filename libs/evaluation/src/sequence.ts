import { threshold } from './bucket.js';
import type { Flag, Gate, Rule, Serve, Split } from './flag.js';

/** A variant, or null for the caller's default. */
export type Served = string | null;

/** One rule that is met: who its gate lets in gets what it serves, others go on unless there is an `otherwise`. */
export type Stage = { readonly gate: Gate | undefined; readonly serve: Serve | null };

/** What an audience goes through, in order; whoever nothing decides gets the caller's default. */
export type Sequence = { readonly salt: string; readonly off: Served; readonly stages: readonly Stage[] };

const WHOLE = 2 ** 32;

/** Where a gate or split looks: at which attribute, under which salt. */
export function place(draw: Gate | Split, salt: string): { readonly attribute: string; readonly salt: string } {
  return { attribute: draw.bucketBy ?? 'targetingKey', salt: draw.salt ?? salt };
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

/** The sequence for those who meet the conditions of exactly the rules that `meets` picks. */
export type Sequences = (meets: (rule: Rule) => boolean, holds: boolean) => Sequence;

/** The sequences of a flag. A rule is the same stage, identically, in all of them. */
export function sequencesOf({ key: salt, enabled, offVariant: off, rules, fallthrough }: Flag): Sequences {
  const last: Stage = { gate: undefined, serve: fallthrough };
  const none: Stage = { gate: undefined, serve: off === null ? null : { variant: off } };
  const inForce = rules
    .filter((rule) => rule.enabled !== false)
    .map((rule) => ({ rule, stage: { gate: rule.gate, serve: rule.serve } }));
  return (meets, holds) => {
    if (!enabled || !holds) return { salt, off, stages: [none] };
    return { salt, off, stages: [...inForce.filter(({ rule }) => meets(rule)).map(({ stage }) => stage), last] };
  };
}
