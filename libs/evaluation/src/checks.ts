import { isList, isRecord, isScalar, isText } from './json.js';
import type { JsonRecord } from './json.js';
import type { DocumentLimits, Problem } from './problem.js';

/** Collects the problems of one document, in the order in which they are met. */
export type Report = { readonly problems: Problem[] };

/** Judges one value of a document and reports all that is wrong with it. */
export type Check = (value: unknown, pointer: string, report: Report) => void;

/** The pointer of a member or element below another (RFC 6901). */
export function below(pointer: string, name: string | number): string {
  return `${pointer}/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** What came, short enough for a message. */
function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (isList(value)) return `a list of ${value.length}`;
  if (isRecord(value)) return 'an object';
  if (!isText(value)) return isScalar(value) || value === null ? String(value) : `something of type ${typeof value}`;
  const text = value.length > 60 ? `${value.slice(0, 60)}…` : value;
  return JSON.stringify(text);
}

/** Reports one problem: the message says what was expected, and what came when that is a value. */
export function refuse(report: Report, pointer: string, code: string, message: string): void {
  report.problems.push({ pointer, code, message });
}

/** Reports a value that is not what was expected. */
export function unexpected(report: Report, pointer: string, code: string, expected: string, value: unknown): void {
  refuse(report, pointer, code, `Expected ${expected}; got ${shown(value)}.`);
}

/** A check that the value passes the guard. */
export function expecting(is: (value: unknown) => boolean, expected: string, code = 'wrong_type'): Check {
  return (value, pointer, report) => {
    if (!is(value)) unexpected(report, pointer, code, expected, value);
  };
}

/** An object with these fields and no others; the required ones must be there. */
export function checkObject(
  value: unknown,
  pointer: string,
  report: Report,
  required: Readonly<Record<string, Check>>,
  optional: Readonly<Record<string, Check>> = {},
): value is JsonRecord {
  if (!isRecord(value)) {
    unexpected(report, pointer, 'wrong_type', 'an object', value);
    return false;
  }
  const names = [...Object.keys(required), ...Object.keys(optional)];
  for (const name of Object.keys(value)) {
    if (names.includes(name)) continue;
    refuse(
      report,
      below(pointer, name),
      'unknown_field',
      `Expected no field "${name}" here; known are ${names.join(', ')}.`,
    );
  }
  for (const name of Object.keys(required))
    if (!Object.hasOwn(value, name))
      refuse(report, below(pointer, name), 'missing', `Expected the field "${name}", which is required here.`);
  for (const [name, check] of [...Object.entries(required), ...Object.entries(optional)])
    if (Object.hasOwn(value, name)) check(value[name], below(pointer, name), report);
  return true;
}

/** How much there may be; one that an installation sets bears the name of that setting. */
export type Bound = number | { readonly limit: keyof DocumentLimits; readonly most: number };

export const boundOf = (limits: DocumentLimits, limit: keyof DocumentLimits): Bound => ({ limit, most: limits[limit] });

/** Reports what is more than the bound: "50 variants" are expected at most. */
export function refuseBeyond(
  report: Report,
  pointer: string,
  bound: Bound,
  came: number,
  { what, code }: { readonly what: string; readonly code: string },
): void {
  const { most, limit } = typeof bound === 'number' ? { most: bound, limit: undefined } : bound;
  if (came <= most) return;
  const name = limit === undefined ? '' : ` (the limit ${limit})`;
  refuse(report, pointer, code, `Expected at most ${most} ${what}${name}; got ${came}.`);
}

/** Reports more than there may be of something. */
export function refuseMany(report: Report, pointer: string, bound: Bound, what: string, came: number): void {
  refuseBeyond(report, pointer, bound, came, { what, code: 'too_many' });
}

/** A list of at most so many elements, each passing the check. */
export function checkList(value: unknown, pointer: string, report: Report, bound: Bound, check: Check): void {
  if (!isList(value)) {
    unexpected(report, pointer, 'wrong_type', 'a list', value);
    return;
  }
  refuseMany(report, pointer, bound, 'elements', value.length);
  for (const [index, element] of value.entries()) check(element, below(pointer, index), report);
}

/** A text that is not empty. */
export const checkName: Check = expecting((value) => isText(value) && value !== '', 'a text that is not empty');

/** Any text. */
export const checkText: Check = expecting(isText, 'a text');

/** True or false. */
export const checkBoolean: Check = expecting((value) => typeof value === 'boolean', 'true or false');
