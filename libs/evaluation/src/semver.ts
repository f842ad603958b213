const NUMBER = '(0|[1-9]\\d*)';
const LABEL = '(?:0|[1-9]\\d*|\\d*[A-Za-z-][0-9A-Za-z-]*)';
const VERSION = RegExp(
  `^[vV]?${NUMBER}(?:\\.${NUMBER})?(?:\\.${NUMBER})?(?:-(${LABEL}(?:\\.${LABEL})*))?(?:\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?$`,
);

/** A number of any size as a text that sorts as the number does: there are no leading zeros, so the longer is greater. */
function sortable(digits: string): string {
  return String.fromCharCode(digits.length >>> 16, digits.length) + digits;
}

/** Major, minor, patch and pre-release, which sort by precedence (SemVer 2.0.0, section 11), also when put together. */
function parse(value: unknown): readonly string[] | undefined {
  const match = typeof value === 'string' ? VERSION.exec(value) : null;
  if (match === null) return undefined;
  const [, major = '0', minor = '0', patch = '0', pre] = match;
  // A label comes after any number and a release after its pre-releases; a list comes before its own continuation.
  const labels = pre?.split('.').map((label) => (/\D/.test(label) ? `\u0002${label}` : `\u0001${sortable(label)}`));
  return [...[major, minor, patch].map(sortable), labels?.join('\0') ?? '\u0003'];
}

/**
 * A version of SemVer 2.0.0 as a text that sorts by precedence: one leading `v` dropped, `1` and `1.2` completed with
 * zeros, build ignored. Undefined for what is no version.
 */
export function semver(value: unknown): string | undefined {
  return parse(value)?.join('');
}

/** Versions from `least` on whose texts begin with the prefix. */
export type Series = { readonly least: string; readonly prefix: string };

function seriesOf(numbersKept: (parts: readonly string[]) => number): (value: unknown) => Series | undefined {
  return (value) => {
    const parts = parse(value);
    return parts && { least: parts.join(''), prefix: parts.slice(0, numbersKept(parts)).join('') };
  };
}

/** The versions of the same major and minor from this one on. */
export const tilde = seriesOf(() => 2);

/** The versions from this one on that equal it up to its leftmost number that is not zero (0.0.0: all three). */
export const caret = seriesOf((parts) => Math.min(3, 1 + parts.findIndex((part) => part !== sortable('0'))));

/** True when a version, as `semver` reads it, belongs to the series. */
export function inSeries(version: string, { least, prefix }: Series): boolean {
  return version >= least && version.startsWith(prefix);
}
