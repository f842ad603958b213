import { audiencesOf, closure, meets, traitsOf } from './audiences.js';
import type { Audience, Traits } from './audiences.js';
import { conditionsKey } from './compare-conditions.js';
import { conditionsText } from './describe.js';
import type { Flag, Rule } from './flag.js';
import { lighterEdit } from './lighter-edit.js';
import type { LighterEdit } from './lighter-edit.js';
import { movement } from './movement.js';
import type { Movement } from './movement.js';
import { Sample } from './sample.js';
import { sequencesOf } from './sequence.js';
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
  /** Whom the rule is for, in words: a rule whose conditions are edited is there twice. Absent for the fallthrough. */
  readonly conditions?: string;
  readonly movement: Movement | null;
  /** An edit that gives the growing variants the same shares and moves fewer. */
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
function audienceOf(side: Flag, rule: Rule, traits: Traits): Audience | undefined {
  const own = traits.of(rule);
  const audience = closure([...traits.prerequisites, ...(own === undefined ? [] : [own])], traits);
  const earlier = side.rules.slice(0, side.rules.indexOf(rule)).filter((other) => other.enabled !== false);
  return earlier.some((other) => meets(audience, other, traits)) ? undefined : audience;
}

/**
 * Which share of units changes variant when `before` becomes `after`: variant by variant, beside the least that any
 * scheme would have to move. Conditions are not evaluated, they tell audiences apart; prerequisites are taken to hold
 * unless they are edited; every context is taken to have its units. Exact for the units `sample-0` … and the same at
 * every call.
 */
export function whoMoves(before: Flag, after: Flag, snapshot: Pick<Snapshot, 'flags'>, size = 100_000): WhoMoves {
  const sample = new Sample(size);
  const traits = traitsOf(before, after, snapshot);
  const [ofBefore, ofAfter] = [sequencesOf(before), sequencesOf(after)];
  const sequences = (audience: Audience): Both => {
    const met = (rule: Rule): boolean => meets(audience, rule, traits);
    return [ofBefore(met, traits.holds(before, audience)), ofAfter(met, traits.holds(after, audience))];
  };
  // Audiences that go through the same stages move alike.
  const known = new Map<string, Movement>();
  const move = (both: Both): Movement => {
    const name = both.map((sequence) => sample.nameOf(sequence)).join(' ');
    const result = known.get(name) ?? movement(...both, sample);
    known.set(name, result);
    return result;
  };
  const moveAudience = (audience: Audience | undefined): Omit<RuleMoves, 'rule'> => {
    if (audience === undefined) return { movement: null };
    const both = sequences(audience);
    const moves = move(both);
    const lighter = lighterEdit(...both, moves, (edit) => move([both[0], edit]));
    return { movement: moves, ...(lighter !== undefined && { lighter }) };
  };
  const { audiences, more } = audiencesOf(traits);
  const [only] = audiences;
  const nobody = [before, after].some((flag) =>
    flag.rules.some((rule) => rule.enabled !== false && rule.conditions.length === 0),
  );
  return {
    sample: size,
    everyone: traits.all.length === 0 && only !== undefined ? move(sequences(only)) : null,
    audiences: audiences.map((audience) => ({
      meets: audience.map(({ text }) => text),
      movement: move(sequences(audience)),
    })),
    more,
    rules: [
      ...rulesOf(before, after).map(({ side, rule }) => ({
        rule: rule.id,
        conditions: conditionsText(rule.conditions),
        ...moveAudience(audienceOf(side, rule, traits)),
      })),
      { rule: null, ...moveAudience(nobody ? undefined : closure(traits.prerequisites, traits)) },
    ],
  };
}
