import type { JsonValue } from './context.js';
import type { Condition, Gate, Prerequisite, Serve } from './flag.js';
import { inLine } from './text.js';

const VALUES_SHOWN = 3;

function values(list: readonly JsonValue[]): string {
  const shown = list.slice(0, VALUES_SHOWN).map((value) => JSON.stringify(value));
  return list.length > VALUES_SHOWN ? `${shown.join(', ')}, … ${list.length - VALUES_SHOWN} more` : shown.join(', ');
}

/** A condition in words: `country in "DE", "AT"`, `not in cohort staff`. */
export function conditionText(condition: Condition): string {
  const not = condition.negate === true ? 'not ' : '';
  if ('cohorts' in condition) return `${not}in cohort ${condition.cohorts.join(' or ')}`;
  const fold = condition.ignoreCase === true ? ' ignoring case' : '';
  const test = condition.operator === 'exists' ? '' : ` ${values(condition.values)}`;
  return `${not}${inLine(condition.attribute)} ${condition.operator}${test}${fold}`;
}

/** Conditions in words: `everyone`, or all of them joined by `and`. */
export function conditionsText(conditions: readonly Condition[]): string {
  return conditions.length === 0 ? 'everyone' : conditions.map(conditionText).join(' and ');
}

function drawText({ bucketBy, salt }: { readonly bucketBy?: string; readonly salt?: string }): string {
  return `${bucketBy === undefined ? '' : ` by ${inLine(bucketBy)}`}${salt === undefined ? '' : ` with salt ${JSON.stringify(salt)}`}`;
}

/** A gate in words: `25 %`, `25 % by company, others off`. */
export function gateText(gate: Gate | undefined): string {
  if (gate === undefined) return 'none';
  const otherwise = gate.otherwise === undefined ? '' : `, others ${gate.otherwise}`;
  return `${gate.percentage} %${drawText(gate)}${otherwise}`;
}

/** What is served in words: `on`, `split a 1, b 3`, `the caller's default`. */
export function serveText(serve: Serve | null): string {
  if (serve === null) return "the caller's default";
  if ('variant' in serve) return serve.variant;
  return `split ${serve.split.map(({ variant, weight }) => `${variant} ${weight}`).join(', ')}${drawText(serve)}`;
}

/** A prerequisite in words: `payments serves on or trial`. */
export function prerequisiteText({ flag, variants }: Prerequisite): string {
  return `${flag} serves ${variants.join(' or ')}`;
}
