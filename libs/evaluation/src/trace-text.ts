import { inLine } from './text.js';
import type { CohortTrace, ConditionTrace, DrawTrace, GateTrace, SplitTrace, TraceStep, Verdict } from './trace.js';

const VALUES_SHOWN = 5;

function json(value: unknown): string {
  return JSON.stringify(value) ?? 'absent';
}

function values(list: readonly unknown[]): string {
  const more = list.length > VALUES_SHOWN ? `, … ${list.length - VALUES_SHOWN} more` : '';
  return `[${list.slice(0, VALUES_SHOWN).map(json).join(', ')}${more}]`;
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}

function drawText({ bucketBy, unit, salt, bucket }: DrawTrace): string {
  if (unit === null) return `by ${inLine(bucketBy)}, which the context does not have`;
  return `by ${inLine(bucketBy)} ${json(unit)} with salt ${json(salt)}, bucket ${bucket}`;
}

function gateLine(gate: GateTrace): string {
  const draw = `gate ${gate.percentage} % ${drawText(gate)}`;
  if (gate.inFrom === null) return `${draw}: decides nothing`;
  return `${draw} ${gate.admits === 'true' ? 'below' : 'not below'} ${gate.threshold}: in from ${gate.inFrom} % on`;
}

function splitLine(split: SplitTrace): string {
  const scores = split.scores.map(({ variant, weight, score }) => `${variant} (${weight}) ${score.toFixed(1)}`);
  const winner = split.variant === null ? 'decides nothing' : `the smallest score wins: ${split.variant}`;
  return [`split ${drawText(split)}`, ...scores].join('; ') + `: ${winner}`;
}

const BY_RULES: Readonly<Record<Verdict, string>> = {
  true: 'by its rules',
  false: 'in no list, and no rule lets it in',
  unknown: 'in no list, and its rules cannot tell',
};

function cohortLines({ cohort, member, decidedBy, unit, rules = [] }: CohortTrace): string[] {
  const why = {
    missing: 'it does not exist',
    excluded: `${json(unit)} is excluded`,
    included: `${json(unit)} is included`,
    rules: BY_RULES[member],
    elsewhere: 'explained above',
  }[decidedBy];
  const inside = rules.flatMap((rule, index) => [
    `rule ${index + 1}: ${rule.result}`,
    ...indented([
      ...rule.conditions.flatMap(conditionLines),
      ...(rule.gate === undefined ? [] : [gateLine(rule.gate)]),
    ]),
  ]);
  return [`cohort ${cohort}: member ${member}, ${why}`, ...indented(inside)];
}

function conditionLines(condition: ConditionTrace): string[] {
  const not = condition.negate === true ? 'not ' : '';
  if ('cohorts' in condition) {
    const keys = condition.cohorts.map(({ cohort }) => cohort).join(', ');
    return [`${not}in cohorts ${keys}: ${condition.result}`, ...indented(condition.cohorts.flatMap(cohortLines))];
  }
  const { attribute, operator, expected, actual, ignoreCase, result } = condition;
  const fold = ignoreCase === true ? ' ignoring case' : '';
  const test = operator === 'exists' ? operator : `${operator} ${values(expected)}${fold}`;
  return [`${not}${inLine(attribute)} ${test}, is ${json(actual)}: ${result}`];
}

function served(variant: string | null): string {
  return variant === null ? "the caller's default" : json(variant);
}

/** What a prerequisite does; who is off may have an off variant, but serves nothing that counts. */
function prerequisiteText({ serves, trace }: Extract<TraceStep, { readonly step: 'prerequisite' }>): string {
  if (serves !== null) return `serves ${json(serves)}`;
  const [first, last] = [trace?.[0], trace?.at(-1)];
  if (first?.step === 'flag' && first.state !== 'enabled') return `is ${first.state}`;
  if (last?.step === 'off') return 'is off';
  return trace === undefined ? 'serves no variant' : `serves ${served(serves)}`;
}

function stepLines(step: TraceStep): string[] {
  switch (step.step) {
    case 'flag':
      return [`flag ${step.flag} is ${step.state}`];
    case 'prerequisite': {
      const verdict = step.holds ? 'holds' : 'fails';
      const line = `prerequisite ${step.flag} ${prerequisiteText(step)}, wanted ${values(step.variants)}: ${verdict}`;
      return [line, ...indented((step.trace ?? []).flatMap(stepLines))];
    }
    case 'rule': {
      if (!step.enabled) return [`rule ${step.rule} is not enabled`];
      const { gate, split } = step;
      const end = step.serves === null ? 'does not apply' : `serves ${json(step.serves)}`;
      return [
        `rule ${step.rule} ${end}`,
        ...indented(step.conditions.flatMap(conditionLines)),
        ...indented(gate === undefined ? [] : [gateLine(gate)]),
        ...indented(split === undefined ? [] : [splitLine(split)]),
      ];
    }
    case 'fallthrough':
      return [`fallthrough serves ${served(step.serves)}`, ...indented(step.split ? [splitLine(step.split)] : [])];
    case 'off':
      return [`off: serves ${served(step.serves)}`];
    case 'broken':
      return [`broken: ${step.message} cannot be understood`];
    default:
      return step satisfies never;
  }
}

/** The trace for people: one line per step, what is inside a step indented below it. */
export function traceText(trace: readonly TraceStep[]): string {
  return trace.flatMap(stepLines).join('\n');
}
