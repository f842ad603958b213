import type { Cohort } from './cohort.js';
import { parts } from './bucket.js';
import { contradict, covers, exclude } from './compare-conditions.js';
import type { Condition, Flag, Gate, Rule, Serve, Split } from './flag.js';
import type { Problem } from './problem.js';

/** A rule as far as warnings look at it: a cohort's serve nothing and only admit. */
type Judged = {
  readonly name: string;
  readonly pointer: string;
  readonly conditions: readonly Condition[];
  readonly gate: Gate | undefined;
  readonly serve: Serve | undefined;
};

const DEFAULT_UNIT = 'targetingKey';

function warn(pointer: string, code: string, message: string): Problem {
  return { pointer, code, message };
}

function isNever(condition: Condition): boolean {
  if (condition.negate === true) return false;
  return 'cohorts' in condition
    ? condition.cohorts.length === 0
    : condition.operator !== 'exists' && condition.values.length === 0;
}

function unitOfDraw(draw: Gate | Split): string {
  return draw.bucketBy ?? DEFAULT_UNIT;
}

/** The unit without which the rule decides nothing; undefined when it needs none. */
function unitNeeded({ gate, serve }: Judged): string | undefined {
  if (gate !== undefined) return unitOfDraw(gate);
  return serve !== undefined && 'split' in serve ? unitOfDraw(serve) : undefined;
}

/** True when the rule decides every unit that meets its conditions, so long as there is a unit. */
function decidesAll({ gate, serve }: Judged): boolean {
  if (serve !== undefined && 'split' in serve) {
    if (serve.split.every(({ weight }) => weight === 0)) return false;
    if (gate !== undefined && unitOfDraw(gate) !== unitOfDraw(serve)) return false;
  }
  return gate === undefined || parts(gate.percentage) === 100_000 || gate.otherwise !== undefined;
}

function unreachable(rule: Judged, earlier: readonly Judged[]): Problem | undefined {
  const { conditions, pointer } = rule;
  if (conditions.some(isNever) || conditions.some((one) => conditions.some((other) => contradict(one, other))))
    return warn(pointer, 'unreachable_rule', `No context can meet the conditions of ${rule.name}.`);
  const first = earlier.find((other) => {
    const unit = unitNeeded(other);
    return (
      decidesAll(other) && covers(other.conditions, conditions) && (unit === undefined || unit === unitNeeded(rule))
    );
  });
  if (first === undefined) return undefined;
  const message = `${rule.name} is never reached: ${first.name} decides everyone who would meet its conditions.`;
  return warn(pointer, 'unreachable_rule', message);
}

function neverAdmits(rule: Judged, earlier: readonly Judged[], salt: string): Problem | undefined {
  const { gate } = rule;
  if (gate === undefined || gate.percentage === 0) return undefined;
  const first = earlier.find(
    (other) =>
      other.gate !== undefined &&
      parts(other.gate.percentage) < 100_000 &&
      parts(other.gate.percentage) >= parts(gate.percentage) &&
      (other.gate.salt ?? salt) === (gate.salt ?? salt) &&
      unitOfDraw(other.gate) === unitOfDraw(gate) &&
      !exclude(other.conditions, rule.conditions),
  );
  if (first?.gate === undefined) return undefined;
  const message =
    `The gate of ${rule.name} (${gate.percentage} %) never admits a unit that the gate of ${first.name} ` +
    `(${first.gate.percentage} %) kept out: both look at the same place. Give it a "salt" of its own for an independent draw.`;
  return warn(`${rule.pointer}/gate/percentage`, 'gate_never_admits', message);
}

/** True when a condition can only be true for a context that has the attribute. */
function asksFor(condition: Condition, attribute: string): boolean {
  if ('cohorts' in condition || condition.attribute !== attribute) return false;
  return condition.operator !== 'exists' || condition.negate !== true;
}

function fallsThrough({ name, conditions, gate, serve, pointer }: Judged): Problem[] {
  const draws: [Gate | Split, string][] = [];
  if (gate?.otherwise !== undefined) draws.push([gate, `${pointer}/gate`]);
  if (serve !== undefined && 'split' in serve)
    draws.push([serve, pointer === '/fallthrough' ? pointer : `${pointer}/serve`]);
  return draws.flatMap(([draw, at]) => {
    const unit = unitOfDraw(draw);
    if (unit === DEFAULT_UNIT || conditions.some((condition) => asksFor(condition, unit))) return [];
    const next = pointer === '/fallthrough' ? "gets the caller's default" : 'goes on to what comes after it';
    return [
      warn(at, 'no_unit_falls_through', `${name} decides nothing for a context without "${unit}", which ${next}.`),
    ];
  });
}

function judged(rule: Rule, index: number): Judged[] {
  if (rule.enabled === false) return [];
  const { conditions, gate, serve } = rule;
  return [{ name: `rule "${rule.id}"`, pointer: `/rules/${index}`, conditions, gate, serve }];
}

function among(rules: readonly Judged[], salt: string): Problem[] {
  return rules.flatMap((rule, index) => {
    const earlier = rules.slice(0, index);
    const lost = unreachable(rule, earlier);
    return [lost ?? neverAdmits(rule, earlier, salt)].filter((warning) => warning !== undefined);
  });
}

/**
 * What is legal in a flag but probably not meant.
 * `unreachable_rule`: its conditions exclude each other, or an earlier rule whose conditions its own imply decides
 * everyone. `gate_never_admits`: an earlier gate of the same place and at least the percentage stands before a gate, and
 * their conditions do not visibly exclude each other. `no_unit_falls_through`: a split, or a gate with `otherwise`, by an
 * attribute other than `targetingKey` that no condition of its rule asks for. Rules that are not enabled do not count.
 */
export function ruleWarnings(flag: Flag): Problem[] {
  const rules = flag.rules.flatMap(judged);
  const last: Judged = {
    name: 'the fallthrough',
    pointer: '/fallthrough',
    conditions: [],
    gate: undefined,
    serve: flag.fallthrough ?? undefined,
  };
  return [...among(rules, flag.key), ...[...rules, last].flatMap(fallsThrough)];
}

/** What is legal in a cohort but probably not meant: `unreachable_rule` and `gate_never_admits`, as in flags. */
export function cohortRuleWarnings(cohort: Cohort): Problem[] {
  const rules = cohort.rules.map(({ conditions, gate }, index) => ({
    name: `rule ${index + 1}`,
    pointer: `/rules/${index}`,
    conditions,
    gate,
    serve: undefined,
  }));
  return among(rules, `cohort:${cohort.key}`);
}
