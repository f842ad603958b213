/** Code points from … to, both included. */
type Span = readonly [from: number, to: number];

/** What a part of a pattern can begin with, whether it can be empty, and what it may not be repeated for. */
type Part = {
  readonly starts: readonly Span[];
  readonly empty: boolean;
  readonly unbounded: boolean;
  readonly alike: boolean;
};

type Cursor = { readonly points: readonly string[]; at: number; problem: string | undefined };

const LONGEST = 500;
const MOST_REPEATS = 100;
const LAST = 0x10ffff;
const SYNTAX = '^$\\.*+?()[]{}|/';
const CLASSES: Readonly<Record<string, readonly Span[]>> = {
  d: [[48, 57]],
  w: [
    [48, 57],
    [65, 90],
    [95, 95],
    [97, 122],
  ],
};

const NOTHING: Part = { starts: [], empty: true, unbounded: false, alike: false };

function refuse(cursor: Cursor, problem: string): void {
  cursor.problem ??= `${problem}, at character ${cursor.at + 1}`;
  cursor.at = cursor.points.length;
}

function take(cursor: Cursor, point: string): boolean {
  if (cursor.points[cursor.at] !== point) return false;
  cursor.at++;
  return true;
}

function single(point: string): Part {
  const code = point.codePointAt(0) ?? 0;
  return { ...NOTHING, starts: [[code, code]], empty: false };
}

function oneOf(starts: readonly Span[]): Part {
  return { ...NOTHING, starts, empty: false };
}

/** The cases of a single character; for ranges ASCII's, and beyond ASCII as much as could be. */
function allCases([from, to]: Span): readonly Span[] {
  if (from !== to) {
    const cases: Span[] = [
      [from, to],
      [Math.max(from, 65) + 32, Math.min(to, 90) + 32],
      [Math.max(from, 97) - 32, Math.min(to, 122) - 32],
      [128, to > 127 ? LAST : 0],
    ];
    return cases.filter((span) => span[0] <= span[1]);
  }
  const point = String.fromCodePoint(from);
  return [point, point.toLowerCase(), point.toUpperCase()].map((text) => {
    const code = text.length === String.fromCodePoint(text.codePointAt(0) ?? 0).length ? text.codePointAt(0) : from;
    return [code ?? from, code ?? from];
  });
}

/** Case is disregarded, as a pattern does not say by itself how it will be compiled. */
function startAlike(branches: readonly Part[]): boolean {
  const spans = branches.map(({ starts }) => starts.flatMap(allCases));
  return branches.some(
    ({ empty }, index) =>
      empty ||
      spans[index]?.some(([from, to]) =>
        spans.slice(index + 1).some((other) => other.some((span) => from <= span[1] && span[0] <= to)),
      ),
  );
}

function escape(cursor: Cursor, literals: string): Part {
  const point = cursor.points[cursor.at] ?? '';
  const known = CLASSES[point];
  if (known === undefined && (point === '' || !literals.includes(point))) refuse(cursor, `unknown escape "\\${point}"`);
  cursor.at++;
  return known === undefined ? single(point) : oneOf(known);
}

function classItem(cursor: Cursor): Part {
  if (take(cursor, '\\')) return escape(cursor, `${SYNTAX}-`);
  const point = cursor.points[cursor.at] ?? '';
  if (point === '' || point === '[') refuse(cursor, point === '' ? 'a class is not closed' : 'write "\\[" in a class');
  cursor.at++;
  return single(point);
}

function complement(spans: readonly Span[]): readonly Span[] {
  const starts: Span[] = [];
  let next = 0;
  for (const [from, to] of [...spans].sort((a, b) => a[0] - b[0])) {
    if (from > next) starts.push([next, from - 1]);
    next = Math.max(next, to + 1);
  }
  return next > LAST ? starts : [...starts, [next, LAST]];
}

function characterClass(cursor: Cursor): Part {
  const negated = take(cursor, '^');
  const spans: Span[] = [];
  if (take(cursor, ']')) refuse(cursor, 'an empty class');
  while (cursor.problem === undefined && !take(cursor, ']')) {
    const { starts } = classItem(cursor);
    if (cursor.points[cursor.at] === '-' && cursor.points[cursor.at + 1] !== ']') {
      cursor.at++;
      const end = classItem(cursor).starts;
      const [from, to] = [starts[0]?.[0] ?? 0, end[0]?.[1] ?? 0];
      if (starts[0]?.[1] !== from || end[0]?.[0] !== to || from > to) refuse(cursor, 'not a range of characters');
      spans.push([from, to]);
    } else spans.push(...starts);
  }
  return oneOf(negated ? complement(spans) : spans);
}

function group(cursor: Cursor): Part {
  if (take(cursor, '?') && !take(cursor, ':')) refuse(cursor, 'only ( ) and (?: ) groups are allowed');
  const part = alternatives(cursor);
  if (!take(cursor, ')')) refuse(cursor, 'a group is not closed');
  return part;
}

function atom(cursor: Cursor): Part {
  const point = cursor.points[cursor.at] ?? '';
  cursor.at++;
  if (point === '(') return group(cursor);
  if (point === '[') return characterClass(cursor);
  if (point === '\\') return escape(cursor, SYNTAX);
  if (point === '.') return oneOf([[0, LAST]]);
  if (point === '^' || point === '$') return NOTHING;
  if (SYNTAX.includes(point) && point !== '/') {
    cursor.at--;
    refuse(cursor, `"${point}" repeats or closes nothing: write "\\${point}" for the character`);
  }
  return single(point);
}

/** How often the part before the cursor is repeated: [1, 1] when it is not. */
function repeats(cursor: Cursor): readonly [least: number, most: number] {
  if (take(cursor, '*')) return [0, Infinity];
  if (take(cursor, '+')) return [1, Infinity];
  if (take(cursor, '?')) return [0, 1];
  if (cursor.points[cursor.at] !== '{') return [1, 1];
  const counted = /^\{(\d{1,4})(?:,(\d{1,4}))?\}/.exec(cursor.points.slice(cursor.at, cursor.at + 11).join(''));
  const least = Number(counted?.[1]);
  const most = Number(counted?.[2] ?? counted?.[1]);
  if (counted === null || least > most || most > MOST_REPEATS)
    refuse(cursor, `expected {m} or {m,n} with m ≤ n ≤ ${MOST_REPEATS}`);
  cursor.at += counted?.[0].length ?? 0;
  return [least, most];
}

function repeated(cursor: Cursor): Part {
  const part = atom(cursor);
  const from = cursor.at;
  const [least, most] = repeats(cursor);
  if (cursor.at === from) return part;
  if (part === NOTHING) refuse(cursor, '"^" and "$" cannot be repeated');
  if ('*+?{'.includes(cursor.points[cursor.at] ?? '.')) refuse(cursor, 'a quantifier after a quantifier');
  if (most > 1 && part.unbounded) refuse(cursor, 'an unbounded quantifier inside another');
  if (most === Infinity && part.alike)
    refuse(cursor, 'an alternation under an unbounded quantifier whose branches can start alike');
  return { ...part, empty: part.empty || least === 0, unbounded: part.unbounded || most === Infinity };
}

function sequence(cursor: Cursor): Part {
  let part = NOTHING;
  while (cursor.at < cursor.points.length && !'|)'.includes(cursor.points[cursor.at] ?? '')) {
    const next = repeated(cursor);
    part = {
      starts: part.empty ? [...part.starts, ...next.starts] : part.starts,
      empty: part.empty && next.empty,
      unbounded: part.unbounded || next.unbounded,
      alike: part.alike || next.alike,
    };
  }
  return part;
}

function alternatives(cursor: Cursor): Part {
  const branches = [sequence(cursor)];
  while (take(cursor, '|')) branches.push(sequence(cursor));
  return {
    starts: branches.flatMap(({ starts }) => starts),
    empty: branches.some(({ empty }) => empty),
    unbounded: branches.some(({ unbounded }) => unbounded),
    alike: branches.some(({ alike }) => alike) || (branches.length > 1 && startAlike(branches)),
  };
}

/**
 * Why a pattern is outside the portable subset, or undefined when it is inside: literals, `.`, classes, `\d`, `\w`,
 * `^ $`, groups, `|`, `* + ? {m,n}`, and nothing by which a backtracking engine could be kept busy for ever.
 */
export function patternProblem(pattern: string): string | undefined {
  const cursor: Cursor = { points: Array.from(pattern), at: 0, problem: undefined };
  if (cursor.points.length > LONGEST) return `${cursor.points.length} characters, at most ${LONGEST} are allowed`;
  alternatives(cursor);
  if (cursor.at < cursor.points.length) refuse(cursor, '")" closes no group');
  return cursor.problem;
}
