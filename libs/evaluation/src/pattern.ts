/** What is wrong with a pattern; a number counts the characters before the first that is not allowed. */
export type Fault = 'long' | 'repeats' | 'nested' | 'alike' | 'syntax' | number;

/** What a part of a pattern is, as far as repeating it is concerned. */
type Part = readonly [
  /** Atoms, one of which the part begins with. */
  starts: readonly string[],
  /** The part can match nothing. */
  empty: boolean,
  /** It repeats something without an upper bound. */
  unbounded: boolean,
  /** It holds an alternation whose branches can start alike. */
  alike: boolean,
];

/** The characters a pattern may have, and the times it may repeat something. */
export const [LONGEST, MOST_REPEATS] = [500, 100] as const;

// Escapes are of syntax characters only, so that no language reads more into them.
const ATOM = /^(?:\\[dw^$\\.*+?()[\]{}|/]|\[(?!\^\])\^?(?:\\[dw^$\\.*+?()[\]{}|/-]|[^\\[\]])+\]|[^\\[\](){}|*+?])/u;

/** Two classes meet, if anywhere, at a character that one of them names, beside one, or at an end of `\w`. */
function startAlike(branches: readonly (readonly string[])[], pattern: string): boolean {
  // Case is disregarded: a pattern does not say by itself how it will be compiled.
  const starts = branches.map((atoms) => RegExp(`^(?:${atoms.join('|')})`, 'iu'));
  const named = Array.from(`${pattern}\u0001AZaz09_`, (point) => point.codePointAt(0) ?? 0);
  return named
    .flatMap((code) => [code, Math.max(code, 1) - 1, Math.min(code + 1, 0x10ffff)])
    .some((code) => starts.filter((start) => start.test(String.fromCodePoint(code))).length > 1);
}

/**
 * What puts a pattern outside the portable subset, undefined when it is inside: literals, `.`, classes, `\d`, `\w`,
 * `^ $`, groups, `|`, `* + ? {m,n}`, and nothing by which a backtracking engine could be kept busy for ever.
 */
export function patternFault(pattern: string): Fault | undefined {
  let rest = pattern;
  let fault: Fault | undefined = Array.from(pattern).length > LONGEST ? 'long' : undefined;

  const take = (token: RegExp): string | undefined => {
    const found = token.exec(rest)?.[0];
    if (found !== undefined) rest = rest.slice(found.length);
    return found;
  };

  const atom = (): Part | undefined => {
    if (take(/^\((?:\?:|(?!\?))/) !== undefined) {
      const inside = alternatives();
      return take(/^\)/) === undefined ? undefined : inside;
    }
    const start = take(ATOM);
    const empty = start === '^' || start === '$';
    return start === undefined ? undefined : [empty ? [] : [start], empty, false, false];
  };

  const repeated = (): Part | undefined => {
    const part = atom();
    const quantifier = part && take(/^(?:[*+?]|\{\d+(?:,\d+)?\})/);
    if (part === undefined || quantifier === undefined) return part;
    const [starts, empty, unbounded, alike] = part;
    const isUnbounded = quantifier === '*' || quantifier === '+';
    const most = Number(quantifier.split(/\D/).at(-2));
    if (most > MOST_REPEATS) fault ??= 'repeats';
    if (unbounded && (isUnbounded || most > 1)) fault ??= 'nested';
    if (alike && isUnbounded) fault ??= 'alike';
    return [starts, empty || /^[*?]|^.0+\D/.test(quantifier), unbounded || isUnbounded, alike];
  };

  const alternatives = (): Part => {
    const branches: Part[] = [];
    do {
      let [starts, empty, unbounded, alike]: Part = [[], true, false, false];
      for (let part = repeated(); part !== undefined; part = repeated()) {
        if (empty) starts = [...starts, ...part[0]];
        empty &&= part[1];
        unbounded ||= part[2];
        alike ||= part[3];
      }
      branches.push([starts, empty, unbounded, alike]);
    } while (take(/^\|/) !== undefined);
    const all = branches.map(([starts]) => starts);
    const any = (property: 1 | 2 | 3): boolean => branches.some((branch) => branch[property]);
    const alike = any(3) || (branches.length > 1 && (any(1) || startAlike(all, pattern)));
    return [all.flat(), any(1), any(2), alike];
  };

  if (fault !== undefined) return fault;
  try {
    // The engine refuses what is no regular expression at all: unclosed groups, ranges that run backwards.
    RegExp(pattern, 'u');
    alternatives();
  } catch {
    return 'syntax';
  }
  return rest === '' ? fault : pattern.length - rest.length;
}
