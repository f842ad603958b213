/** A parsed version: three numbers of any size as texts without leading zeros, and pre-release identifiers, if any. */
export type Semver = { readonly core: readonly string[]; readonly pre: readonly string[] };

const NUMERIC = '(0|[1-9]\\d*)';
const PRE = '(?:0|[1-9]\\d*|\\d*[A-Za-z-][0-9A-Za-z-]*)';
const VERSION = new RegExp(
  `^[vV]?${NUMERIC}(?:\\.${NUMERIC})?(?:\\.${NUMERIC})?(?:-(${PRE}(?:\\.${PRE})*))?(?:\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?$`,
);

/** Reads a version of SemVer 2.0.0 with one leading `v` dropped and `1` or `1.2` completed with zeros; build is ignored. */
export function semver(value: unknown): Semver | undefined {
  const match = typeof value === 'string' ? VERSION.exec(value) : null;
  if (match === null) return undefined;
  return { core: [match[1] ?? '0', match[2] ?? '0', match[3] ?? '0'], pre: match[4]?.split('.') ?? [] };
}

function order<T>(a: T, b: T): number {
  return a < b ? -1 : Number(a > b);
}

/** Numeric identifiers by value, which is length first as they have no leading zeros; they come before all others. */
function compareIdentifiers(a: string, b: string): number {
  const numeric = /^\d+$/;
  if (!numeric.test(a) || !numeric.test(b)) return order(numeric.test(b), numeric.test(a)) || order(a, b);
  return order(a.length, b.length) || order(a, b);
}

function compareLists(a: readonly string[], b: readonly string[]): number {
  for (const [index, left] of a.entries()) {
    const right = b[index];
    const result = right === undefined ? 1 : compareIdentifiers(left, right);
    if (result !== 0) return result;
  }
  return a.length - b.length;
}

/** SemVer 2.0.0 precedence (section 11): negative, zero or positive. */
export function compareSemver(a: Semver, b: Semver): number {
  const core = compareLists(a.core, b.core);
  if (core !== 0 || a.pre.length === 0 || b.pre.length === 0)
    return core || order(a.pre.length === 0, b.pre.length === 0);
  return compareLists(a.pre, b.pre);
}

/** At least `base` and equal to it in the first `components` numbers. */
function sameUpTo(components: number): (version: Semver, base: Semver) => boolean {
  return (version, base) =>
    compareSemver(version, base) >= 0 &&
    version.core.slice(0, components).every((number, index) => number === base.core[index]);
}

/** The same major and minor, and not before the base. */
export const tilde = sameUpTo(2);

/** Equal up to and including the base's leftmost number that is not zero (0.0.0: all three), and not before the base. */
export function caret(version: Semver, base: Semver): boolean {
  const first = base.core.findIndex((number) => number !== '0');
  return sameUpTo(first < 0 ? 3 : first + 1)(version, base);
}
