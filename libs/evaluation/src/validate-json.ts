import { below, refuse, unexpected } from './checks.js';
import type { Report } from './checks.js';
import { isList, isRecord, isText } from './json.js';
import type { Problem } from './problem.js';

/** The most characters (code points) that a text of a document may have. */
export const LONGEST_TEXT = 10_000;

/** The most levels of lists and objects inside each other. */
const DEEPEST = 100;

function checkCharacters(text: string, pointer: string, report: Report): void {
  if (text.includes('\0'))
    refuse(report, pointer, 'nul_character', 'Expected no character U+0000, which PostgreSQL cannot store.');
  if (/\p{Cs}/u.test(text))
    refuse(report, pointer, 'lone_surrogate', 'Expected well-formed Unicode; got a surrogate without its partner.');
  const { length } = text;
  if (length > LONGEST_TEXT && Array.from(text).length > LONGEST_TEXT)
    refuse(report, pointer, 'too_long', `Expected at most ${LONGEST_TEXT} characters; got ${Array.from(text).length}.`);
}

function checkNumber(number: number, pointer: string, report: Report): void {
  if (!Number.isFinite(number)) unexpected(report, pointer, 'not_finite', 'a finite number', number);
  else if (Number.isInteger(number) && !Number.isSafeInteger(number))
    unexpected(
      report,
      pointer,
      'unsafe_integer',
      'an integer within ±(2^53−1), which every language reads alike',
      number,
    );
}

type Open = { readonly value: unknown; readonly pointer: string; readonly depth: number };

function checkNode({ value, pointer, depth }: Open, report: Report): Open[] {
  if (isText(value)) checkCharacters(value, pointer, report);
  else if (typeof value === 'number') checkNumber(value, pointer, report);
  else if (isList(value) || isRecord(value)) {
    if (depth < DEEPEST)
      return Object.entries(value).map(([name, child]) => ({
        value: child,
        pointer: below(pointer, name),
        depth: depth + 1,
      }));
    refuse(report, pointer, 'too_deep', `Expected at most ${DEEPEST} levels of lists and objects.`);
  } else if (value !== null && typeof value !== 'boolean')
    unexpected(report, pointer, 'wrong_type', 'a JSON value', value);
  return [];
}

/** Reports everything inside a value that JSON could not carry, PostgreSQL not store, or some language not read back. */
export function checkJson(value: unknown, pointer: string, report: Report): void {
  // A list of what is still to be looked at instead of recursion: bodies may be nested deeper than the stack is.
  const open: Open[] = [{ value, pointer, depth: 0 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (isRecord(next.value))
      for (const name of Object.keys(next.value)) checkCharacters(name, below(next.pointer, name), report);
    for (const child of checkNode(next, report).toReversed()) open.push(child);
  }
}

/**
 * Everything inside a value that is refused on write whatever it is for: U+0000, lone surrogates, numbers that are not
 * finite, integers beyond ±(2^53−1), texts of more than 10,000 characters, more than 100 levels.
 */
export function validateJson(value: unknown, pointer = ''): Problem[] {
  const report: Report = { problems: [] };
  checkJson(value, pointer, report);
  return report.problems;
}
