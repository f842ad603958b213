import { areExclusive, conditionsKey, implies, subjectOf } from './compare-conditions.js';
import { conditionsText, prerequisiteText } from './describe.js';
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
  /** The trait that the conditions of a rule are; undefined when it has none, or they matter on neither side. */
  readonly of: (rule: Rule) => Trait | undefined;
  /** The conditions of any trait that are true where the trait is, its own among them. */
  readonly implied: (trait: Trait) => ReadonlySet<Condition>;
  /** The traits that cannot be true where the trait is. */
  readonly excluded: (trait: Trait) => ReadonlySet<Trait>;
};

/** Collects the traits of both sides of an edit. */
export function traitsOf(before: Flag, after: Flag, snapshot: Pick<Snapshot, 'flags'>): Traits {
  const edited = [before, after].flatMap((flag, side) => {
    const others = side === 0 ? after.prerequisites : before.prerequisites;
    return flag.prerequisites.filter((one) => !others.some((other) => isEqual(one, other)));
  });
  const open = edited.filter((one) => constant(one, snapshot) === undefined);
  const prerequisites = open.map((one) => ({ key: prerequisiteKey(one), text: prerequisiteText(one), conditions: [] }));
  const unique = new Map<string, Trait>(prerequisites.map((trait) => [trait.key, trait]));
  const keys = new Map([...before.rules, ...after.rules].map((rule) => [rule, conditionsKey(rule.conditions)]));
  for (const { enabled, rules } of [before, after]) {
    for (const rule of enabled ? rules : []) {
      const key = keys.get(rule) ?? '';
      if (rule.enabled === false || key === '' || unique.has(key)) continue;
      unique.set(key, { key, text: conditionsText(rule.conditions), conditions: rule.conditions });
    }
  }
  const holds: Holds = (flag, audience) =>
    flag.prerequisites.every((one) => {
      if (!edited.includes(one)) return true;
      return constant(one, snapshot) ?? audience.some(({ key }) => key === prerequisiteKey(one));
    });
  const all = [...unique.values()];
  return { all, prerequisites, holds, of: (rule) => unique.get(keys.get(rule) ?? ''), ...relations(all) };
}

/** What conditions that ask about the same say of each other. */
function relations(all: readonly Trait[]): Pick<Traits, 'implied' | 'excluded'> {
  const asking = new Map<string, { readonly trait: Trait; readonly condition: Condition }[]>();
  for (const trait of all) {
    for (const condition of trait.conditions) {
      const subject = subjectOf(condition);
      asking.set(subject, [...(asking.get(subject) ?? []), { trait, condition }]);
    }
  }
  const implied = new Map(all.map((trait) => [trait, new Set<Condition>()]));
  const excluded = new Map(all.map((trait) => [trait, new Set<Trait>()]));
  for (const group of asking.values()) {
    for (const one of group) {
      for (const other of group) {
        if (implies(one.condition, other.condition)) implied.get(one.trait)?.add(other.condition);
        if (areExclusive(one.condition, other.condition)) excluded.get(one.trait)?.add(other.trait);
      }
    }
  }
  const none: ReadonlySet<never> = new Set();
  return { implied: (trait) => implied.get(trait) ?? none, excluded: (trait) => excluded.get(trait) ?? none };
}

/** True when the rule's conditions are true of the audience. */
export function meets(audience: Audience, rule: Rule, { of }: Traits): boolean {
  const trait = of(rule);
  return trait === undefined ? rule.conditions.length === 0 : audience.includes(trait);
}

/** The traits and all that they imply. */
export function closure(traits: readonly Trait[], { all, implied }: Traits): Audience {
  const said = traits.map(implied);
  return all.filter(({ conditions }, index) =>
    conditions.length === 0
      ? traits.some((trait) => trait === all[index])
      : conditions.every((condition) => said.some((some) => some.has(condition))),
  );
}

/** The combinations of traits that can occur, fewest traits first, and whether there are more than are told. */
export function audiencesOf(traits: Traits): { readonly audiences: readonly Audience[]; readonly more: boolean } {
  const { all } = traits;
  const audiences: Audience[] = [];
  const numbers = new Map(all.map((trait, index) => [trait, index]));
  const seen = new Set<string>();
  // By their number: every combination but the first comes from one with fewer, by one more trait and all that this implies.
  const waiting: Audience[][] = [[[]]];
  for (let size = 0; size < waiting.length; size++) {
    for (const audience of waiting[size] ?? []) {
      if (audiences.length === MOST_AUDIENCES) return { audiences, more: true };
      audiences.push(audience);
      for (const next of all) {
        if (audience.includes(next)) continue;
        const wider = closure([...audience, next], traits);
        const name = wider.map((trait) => numbers.get(trait)).join();
        if (seen.has(name)) continue;
        seen.add(name);
        if (canOccur(wider, traits)) (waiting[wider.length] ??= []).push(wider);
      }
    }
  }
  return { audiences, more: false };
}

function canOccur(audience: Audience, { excluded }: Traits): boolean {
  return !audience.some((one) => excluded(one).size > 0 && audience.some((other) => excluded(one).has(other)));
}
