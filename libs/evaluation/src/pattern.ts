/** What a part of a pattern is, as far as repeating it is concerned. */
type Part = {
  /** Atoms, one of which the part begins with. */
  readonly starts: readonly string[];
  /** The part can match nothing. */
  readonly empty: boolean;
  /** It repeats something without an upper bound. */
  readonly unbounded: boolean;
  /** It holds an alternation whose branches can start alike. */
  readonly alike: boolean;
};

const LONGEST = 500;
const MOST_REPEATS = 100;

// One token each, at the cursor. Escapes are of syntax characters, so that no language reads more into them.
const ATOM = /\\[dw^$\\.*+?()[\]{}|/]|\[(?!\^\])\^?(?:\\[dw^$\\.*+?()[\]{}|/-]|[^\\[\]])+\]|[^\\[\](){}|*+?]/uy;
const QUANTIFIER = /[*+?]|\{(\d+)(?:,(\d+))?\}/y;

/** Two regular expressions meet, if anywhere, at a character that one of them names, beside one, or at an end of `\w`. */
function startAlike(branches: readonly Part[], pattern: string): boolean {
  const named = Array.from(`${pattern}\u0001AZaz09_`, (point) => point.codePointAt(0) ?? 0);
  const candidates = new Set(named.flatMap((code) => [code - 1, code, code + 1]));
  // Case is disregarded: a pattern does not say by itself how it will be compiled.
  const starts = branches.map((branch) => new RegExp(`^(?:${branch.starts.join('|')})`, 'iu'));
  return [...candidates].some((code) => {
    const text = code >= 0 && code <= 0x10ffff ? String.fromCodePoint(code) : 'a';
    return starts.filter((start) => start.test(text)).length > 1;
  });
}

/**
 * Why a pattern is outside the portable subset, or undefined when it is inside: literals, `.`, classes, `\d`, `\w`,
 * `^ $`, groups, `|`, `* + ? {m,n}`, and nothing by which a backtracking engine could be kept busy for ever.
 */
export function patternProblem(pattern: string): string | undefined {
  let at = 0;
  let problem = Array.from(pattern).length > LONGEST ? `longer than ${LONGEST} characters` : undefined;

  const take = (token: RegExp): RegExpExecArray | null => {
    token.lastIndex = at;
    const match = token.exec(pattern);
    at = match === null ? at : token.lastIndex;
    return match;
  };

  const atom = (): Part | undefined => {
    if (take(/\((?:\?:|(?!\?))/y) !== null) {
      const inside = alternatives();
      return take(/\)/y) === null ? undefined : inside;
    }
    const [start] = take(ATOM) ?? [];
    if (start === undefined) return undefined;
    const empty = start === '^' || start === '$';
    return { starts: empty ? [] : [start], empty, unbounded: false, alike: false };
  };

  const repeated = (): Part | undefined => {
    const part = atom();
    const [quantifier, least, most = least] = (part && take(QUANTIFIER)) ?? [];
    if (part === undefined || quantifier === undefined) return part;
    const unbounded = quantifier === '*' || quantifier === '+';
    if (Number(most) > MOST_REPEATS) problem ??= `repeats more than ${MOST_REPEATS} times`;
    if (part.unbounded && (unbounded || Number(most) > 1)) problem ??= 'an unbounded quantifier inside another';
    if (part.alike && unbounded) problem ??= 'branches under an unbounded quantifier can start alike';
    const empty = part.empty || quantifier === '*' || quantifier === '?' || Number(least) === 0;
    return { ...part, empty, unbounded: part.unbounded || unbounded };
  };

  const sequence = (): Part => {
    let whole: Part = { starts: [], empty: true, unbounded: false, alike: false };
    for (let next = repeated(); next !== undefined; next = repeated())
      whole = {
        starts: whole.empty ? [...whole.starts, ...next.starts] : whole.starts,
        empty: whole.empty && next.empty,
        unbounded: whole.unbounded || next.unbounded,
        alike: whole.alike || next.alike,
      };
    return whole;
  };

  const alternatives = (): Part => {
    const branches = [sequence()];
    while (take(/\|/y) !== null) branches.push(sequence());
    const any = (property: 'empty' | 'unbounded' | 'alike'): boolean => branches.some((branch) => branch[property]);
    return {
      starts: branches.flatMap(({ starts }) => starts),
      empty: any('empty'),
      unbounded: any('unbounded'),
      alike: any('alike') || (branches.length > 1 && (any('empty') || startAlike(branches, pattern))),
    };
  };

  if (problem !== undefined) return problem;
  try {
    // The engine refuses what is no regular expression at all: unclosed groups, ranges that run backwards.
    RegExp(pattern, 'u');
    alternatives();
  } catch {
    return 'no regular expression';
  }
  return at === pattern.length ? problem : `not allowed from character ${at + 1} on`;
}
