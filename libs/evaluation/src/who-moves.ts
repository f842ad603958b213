import { audiencesOf, closure, meets, traitsOf } from './audiences.js';
import type { Audience, Traits } from './audiences.js';
import { conditionsKey } from './compare-conditions.js';
import type { Flag, Rule } from './flag.js';
import { lighterEdit } from './lighter-edit.js';
import type { LighterEdit } from './lighter-edit.js';
import { movement } from './movement.js';
import type { Movement } from './movement.js';
import { createStreams, sequenceOf } from './sequence.js';
import type { Sequence } from './sequence.js';
import type { Snapshot } from './snapshot.js';

/** Who changes variant by an edit, without any data about users: gates and splits are tried on synthetic units. */
export type WhoMoves = {
  /** How many synthetic units there were. */
  readonly sample: number;
  /** Everyone; null when conditions are in force, as nobody knows how many meet them. Then see `audiences`. */
  readonly everyone: Movement | null;
  /** Units by what is true of them: those that meet exactly these conditions. At most 64, `more` when there are others. */
  readonly audiences: readonly { readonly meets: readonly string[]; readonly movement: Movement }[];
  readonly more: boolean;
  /** Each rule of either side and, as null, the fallthrough. */
  readonly rules: readonly RuleMoves[];
};

/** Units that meet a rule's conditions and no earlier rule's; null when there can be none. */
export type RuleMoves = {
  readonly rule: string | null;
  readonly movement: Movement | null;
  /** An edit that gives the growing variant the same share and moves fewer. */
  readonly lighter?: LighterEdit;
};

type Both = readonly [before: Sequence, after: Sequence];

/** The rules of either side: each once, and twice if its conditions were edited. */
function rulesOf(before: Flag, after: Flag): readonly { readonly side: Flag; readonly rule: Rule }[] {
  const name = ({ id, conditions }: Rule): string => `${id}\n${conditionsKey(conditions)}`;
  const known = new Set(after.rules.map(name));
  return [
    ...after.rules.map((rule) => ({ side: after, rule })),
    ...before.rules.filter((rule) => !known.has(name(rule))).map((rule) => ({ side: before, rule })),
  ].filter(({ rule }) => rule.enabled !== false);
}

/** Those who meet the rule's conditions and no earlier rule's; undefined when an earlier rule's are among them. */
function audienceOf(side: Flag, rule: Rule, { all, prerequisites }: Traits): Audience | undefined {
  const own = all.filter((trait) => trait.key === conditionsKey(rule.conditions));
  const audience = closure([...prerequisites, ...own], all);
  const earlier = side.rules.slice(0, side.rules.indexOf(rule)).filter((other) => other.enabled !== false);
  return earlier.some((other) => meets(audience, other)) ? undefined : audience;
}

/**
 * Which share of units changes variant when `before` becomes `after`: variant by variant, beside the least that any
 * scheme would have to move. Conditions are not evaluated, they tell audiences apart; prerequisites are taken to hold
 * unless they are edited; every context is taken to have its units. Exact for the units `sample-0` … and the same at
 * every call.
 */
export function whoMoves(before: Flag, after: Flag, snapshot: Pick<Snapshot, 'flags'>, sample = 100_000): WhoMoves {
  const streams = createStreams(sample);
  const traits = traitsOf(before, after, snapshot);
  const sequences = (audience: Audience): Both => [
    sequenceOf(before, (rule) => meets(audience, rule), traits.holds(before, audience)),
    sequenceOf(after, (rule) => meets(audience, rule), traits.holds(after, audience)),
  ];
  // Audiences that go through the same stages move alike.
  const known = new Map<string, Movement>();
  const move = (both: Both): Movement => {
    const key = JSON.stringify(both);
    const result = known.get(key) ?? movement(...both, sample, streams);
    known.set(key, result);
    return result;
  };
  const moveRule = (rule: string | null, audience: Audience | undefined): RuleMoves => {
    if (audience === undefined) return { rule, movement: null };
    const both = sequences(audience);
    const moves = move(both);
    const lighter = lighterEdit(...both, moves, (edit) => move([both[0], edit]));
    return { rule, movement: moves, ...(lighter !== undefined && { lighter }) };
  };
  const { audiences, more } = audiencesOf(traits);
  const [only] = audiences;
  const nobody = [before, after].some((flag) =>
    flag.rules.some((rule) => rule.enabled !== false && rule.conditions.length === 0),
  );
  return {
    sample,
    everyone: traits.all.length === 0 && only !== undefined ? move(sequences(only)) : null,
    audiences: audiences.map((audience) => ({
      meets: audience.map(({ text }) => text),
      movement: move(sequences(audience)),
    })),
    more,
    rules: [
      ...rulesOf(before, after).map(({ side, rule }) => moveRule(rule.id, audienceOf(side, rule, traits))),
      moveRule(null, nobody ? undefined : closure(traits.prerequisites, traits.all)),
    ],
  };
}
