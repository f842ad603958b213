import { conditionsKey, covers, exclude } from './compare-conditions.js';
import { conditionsText } from './describe.js';
import { evaluate } from './evaluate.js';
import type { Condition, Flag, Prerequisite, Rule } from './flag.js';
import { isEqual } from './equal.js';
import type { Snapshot } from './snapshot.js';

/** Something that is true of some units and not of others: the conditions of rules, or an edited prerequisite. */
export type Trait = { readonly key: string; readonly text: string; readonly conditions: readonly Condition[] };

/** Units of which exactly these traits are true. */
export type Audience = readonly Trait[];

/** The most audiences that are told apart. */
const MOST_AUDIENCES = 64;

function prerequisiteKey({ flag, variants }: Prerequisite): string {
  return `prerequisite ${JSON.stringify([flag, variants.toSorted()])}`;
}

function ruleTrait({ conditions }: Rule): Trait {
  return { key: conditionsKey(conditions), text: conditionsText(conditions), conditions };
}

/** Whether a prerequisite holds for everyone alike, as far as that can be seen; undefined when it depends. */
function constant({ flag, variants }: Prerequisite, snapshot: Pick<Snapshot, 'flags'>): boolean | undefined {
  const document = Object.hasOwn(snapshot.flags, flag) ? snapshot.flags[flag] : undefined;
  if (document === undefined) return false;
  if (document.enabled && (document.prerequisites.length > 0 || document.rules.length > 0)) return undefined;
  const { fallthrough } = document;
  if (document.enabled && fallthrough !== null && 'split' in fallthrough) return undefined;
  const { reason, variant } = evaluate(
    { project: '', environment: '', version: 0, flags: snapshot.flags, cohorts: {} },
    flag,
    {},
    0,
  );
  return reason !== 'DISABLED' && variant !== undefined && variants.includes(variant);
}

/** Judges the prerequisites of one side: those of both sides are taken to hold. */
type Holds = (flag: Flag, audience: Audience) => boolean;

/** The traits that tell units apart for an edit, and how they decide. */
export type Traits = {
  readonly all: readonly Trait[];
  readonly prerequisites: readonly Trait[];
  readonly holds: Holds;
};

/** Collects the traits of both sides of an edit. */
export function traitsOf(before: Flag, after: Flag, snapshot: Pick<Snapshot, 'flags'>): Traits {
  const rules = [before, after].flatMap((flag) => (flag.enabled ? flag.rules : []));
  const conditional = rules.filter((rule) => rule.enabled !== false && rule.conditions.length > 0).map(ruleTrait);
  const edited = [before, after].flatMap((flag, side) => {
    const others = side === 0 ? after.prerequisites : before.prerequisites;
    return flag.prerequisites.filter((one) => !others.some((other) => isEqual(one, other)));
  });
  const open = edited.filter((one) => constant(one, snapshot) === undefined);
  const prerequisites = open.map((one) => ({ key: prerequisiteKey(one), text: prerequisiteKey(one), conditions: [] }));
  const unique = new Map([...prerequisites, ...conditional].map((trait) => [trait.key, trait]));
  const holds: Holds = (flag, audience) =>
    flag.prerequisites.every((one) => {
      if (!edited.includes(one)) return true;
      return constant(one, snapshot) ?? audience.some(({ key }) => key === prerequisiteKey(one));
    });
  return { all: [...unique.values()], prerequisites, holds };
}

/** True when the rule's conditions are true of the audience. */
export function meets(audience: Audience, rule: Rule): boolean {
  const key = conditionsKey(rule.conditions);
  return key === '' || audience.some((trait) => trait.key === key);
}

/** The traits and all that they imply. */
export function closure(traits: readonly Trait[], all: readonly Trait[]): Audience {
  const conditions = traits.flatMap((trait) => trait.conditions);
  return all.filter(
    (trait) => traits.includes(trait) || (trait.conditions.length > 0 && covers(trait.conditions, conditions)),
  );
}

function isClosed(traits: readonly Trait[], all: readonly Trait[]): boolean {
  return closure(traits, all).length === traits.length;
}

/** The combinations of traits that can occur, fewest traits first, and whether there are more than are told. */
export function audiencesOf({ all }: Traits): { readonly audiences: readonly Audience[]; readonly more: boolean } {
  const audiences: Audience[] = [];
  // Built up level by level, so that traits that exclude each other cut off everything that would hold both.
  for (let level: readonly Trait[][] = [[]]; level.length > 0;) {
    for (const traits of level) {
      if (!isClosed(traits, all)) continue;
      if (audiences.length === MOST_AUDIENCES) return { audiences, more: true };
      audiences.push(traits);
    }
    level = level.flatMap((traits) => {
      const last = traits.at(-1);
      const rest = last === undefined ? all : all.slice(all.indexOf(last) + 1);
      return rest
        .filter((next) => !traits.some((one) => exclude(one.conditions, next.conditions)))
        .map((next) => [...traits, next]);
    });
    if (level.length > MOST_AUDIENCES ** 2) level = level.slice(0, MOST_AUDIENCES ** 2);
  }
  return { audiences, more: false };
}
