import { isDeepStrictEqual } from 'node:util';
import type { Flag, Measure, Rule } from '@fledge/evaluation';
import type { Targeting } from '../entities/targeting.entity.js';
import type { RolloutPosition, RolloutRow } from '../entities/rollout.entity.js';

/** What of a rollout decides its rule. */
export type RuleOwner = Pick<
  RolloutRow,
  'id' | 'ruleId' | 'canary' | 'baseline' | 'audience' | 'bucketBy' | 'salt' | 'position'
>;

/** The one rule that a rollout owns: canary to a share of the audience, baseline to the rest of it. */
export function ownRule(rollout: RuleOwner, percentage: number, measure: Measure | undefined): Rule {
  return {
    id: rollout.ruleId,
    description: `Canary rollout ${rollout.id}`,
    conditions: rollout.audience,
    gate: { percentage, bucketBy: rollout.bucketBy, salt: rollout.salt, otherwise: rollout.baseline },
    serve: { variant: rollout.canary },
    ...(measure === undefined ? {} : { measure }),
  };
}

/** The targeting with the rollout's rule as it is now: in its old place, or at its position when it is new. */
export function withRule(targeting: Targeting, rule: Rule, position: RolloutPosition): Targeting {
  const { rules } = targeting;
  if (rules.some(({ id }) => id === rule.id))
    return { ...targeting, rules: rules.map((each) => (each.id === rule.id ? rule : each)) };
  const at = placeOf(rules, position);
  return { ...targeting, rules: [...rules.slice(0, at), rule, ...rules.slice(at)] };
}

function placeOf(rules: readonly Rule[], position: RolloutPosition): number {
  if (position === 'first') return 0;
  if (position === 'last') return rules.length;
  const at = rules.findIndex(({ id }) => id === position.before);
  return at === -1 ? rules.length : at;
}

/** The targeting as it was without the rollout: everybody of its audience gets the baseline again. */
export const withoutRule = (targeting: Targeting, ruleId: string): Targeting => ({
  ...targeting,
  rules: targeting.rules.filter(({ id }) => id !== ruleId),
});

/** Whether completion makes the canary the fallthrough: the audience is everyone whom no other rule decides. */
const isForEveryone = ({ audience, position }: RuleOwner): boolean => audience.length === 0 && position === 'last';

/**
 * The targeting once the rollout has reached everybody: the canary is the fallthrough, or the rule an ordinary one without gate.
 * `measure` keeps the mark on while absolute limits are watched.
 */
export function completedTargeting(targeting: Targeting, rollout: RuleOwner, measure: Measure | undefined): Targeting {
  if (isForEveryone(rollout)) {
    const { measure: _, ...rest } = withoutRule(targeting, rollout.ruleId);
    return { ...rest, fallthrough: { variant: rollout.canary }, ...(measure === undefined ? {} : { measure }) };
  }
  const { gate: _, ...rule } = ownRule(rollout, 100, measure);
  return withRule(targeting, rule, rollout.position);
}

/** The targeting with the rule as an ordinary one that nothing measures or moves any more. */
export const keptTargeting = (targeting: Targeting, rollout: RuleOwner, percentage: number): Targeting =>
  withRule(targeting, ownRule(rollout, percentage, undefined), rollout.position);

/** Where a rollout's mark is, if it is anywhere. */
export function markOf(targeting: Targeting, rolloutId: string): Measure | undefined {
  const marks = [targeting.measure, ...targeting.rules.map(({ measure }) => measure)];
  return marks.find((mark) => mark?.rollout === rolloutId);
}

/** The targeting without any mark, for what is taken over from elsewhere: another environment's rollouts measure nothing here. */
export function withoutMarks(targeting: Targeting): Targeting {
  const { measure: _, ...rest } = targeting;
  return { ...rest, rules: rest.rules.map(({ measure: __, ...rule }) => rule) };
}

/** A targeting of earlier, with the marks alone that are there now: what was measured then is not measured any more. */
export function withMarksOf(current: Targeting, earlier: Targeting): Targeting {
  const isHere = ({ rollout, epoch }: Measure): boolean => markOf(current, rollout)?.epoch === epoch;
  const plain = withoutMarks(earlier);
  return {
    ...plain,
    ...(earlier.measure !== undefined && isHere(earlier.measure) ? { measure: earlier.measure } : {}),
    rules: plain.rules.map((rule, index) => {
      const measure = earlier.rules[index]?.measure;
      return measure !== undefined && isHere(measure) ? { ...rule, measure } : rule;
    }),
  };
}

/** Whether a change did nothing but begin or end what a rollout measures: there is nothing in it that an edit could take back. */
export const changesOnlyMarks = (before: Targeting, after: Targeting): boolean =>
  isDeepStrictEqual(plainly(before), plainly(after));

const plainly = ({ enabled, offVariant, prerequisites, rules, fallthrough }: Targeting): Targeting =>
  withoutMarks({ enabled, offVariant, prerequisites, rules, fallthrough });

/** What an edit made of a targeting without its marks, with those marks again whose rule the edit has left as it was. */
export function withMarksKept(current: Targeting, edited: Targeting): Targeting {
  const plain = new Map(withoutMarks(current).rules.map((rule) => [rule.id, rule]));
  const marked = new Map(current.rules.map((rule) => [rule.id, rule]));
  const isAsBefore = isDeepStrictEqual(edited.fallthrough, current.fallthrough);
  return {
    ...edited,
    ...(current.measure !== undefined && isAsBefore ? { measure: current.measure } : {}),
    rules: edited.rules.map((rule) =>
      isDeepStrictEqual(plain.get(rule.id), rule) ? (marked.get(rule.id) ?? rule) : rule,
    ),
  };
}

/** The targeting without the mark of one rollout. */
export function withoutMark(targeting: Targeting, rolloutId: string): Targeting {
  const { measure, ...rest } = targeting;
  return {
    ...rest,
    ...(measure === undefined || measure.rollout === rolloutId ? {} : { measure }),
    rules: rest.rules.map((rule) => {
      if (rule.measure?.rollout !== rolloutId) return rule;
      const { measure: _, ...plain } = rule;
      return plain;
    }),
  };
}

/** The flag with what completion left taken back: the baseline for the audience again. */
export const takenBack = (targeting: Targeting, rollout: RuleOwner): Targeting => {
  const unmarked = withoutMark(withoutRule(targeting, rollout.ruleId), rollout.id);
  return isForEveryone(rollout) ? { ...unmarked, fallthrough: { variant: rollout.baseline } } : unmarked;
};

/** What the audience of a new rollout gets today: the off variant of a disabled flag, else the fallthrough's; undefined: no one variant. */
export function baselineOf(flag: Pick<Flag, 'enabled' | 'offVariant' | 'fallthrough'>): string | undefined {
  if (!flag.enabled) return flag.offVariant ?? undefined;
  return flag.fallthrough !== null && 'variant' in flag.fallthrough ? flag.fallthrough.variant : undefined;
}
