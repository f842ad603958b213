import { DomainError } from './errors.js';

/** One page of a list; `nextCursor` is null on the last. */
export type Page<T> = { readonly items: readonly T[]; readonly nextCursor: string | null };

/** What every list takes. `sort` is a name the list knows, with `-` before it for descending. */
export type PageQuery = {
  readonly limit: number;
  readonly cursor?: string | undefined;
  readonly sort?: string | undefined;
};

/** A column that a list may be sorted by: the SQL expression and the type that its text in a cursor is read back as. */
export type SortColumn = { readonly expression: string; readonly type: 'text' | 'timestamptz' | 'bigint' };

type Position = readonly [sort: string, value: string, id: string];

/** What makes a row's place unique among equal sort values. */
export type IdColumn = { readonly expression: string; readonly type: 'bigint' | 'uuid' };

/** How a page is cut out of a list: a predicate behind the cursor's position, and an order that ends in the unique id. */
export type Slice = {
  readonly where: string;
  readonly orderBy: string;
  readonly cursorValue: string;
  readonly parameters: readonly string[];
  readonly sort: string;
};

/**
 * Keyset pagination: the cursor holds the last row's sort value and id, so rows written meanwhile neither repeat nor vanish.
 * `firstParameter` is the number of the first free `$n`.
 * @throws DomainError `bad_request` for a sort nobody offers or a cursor that this list did not give.
 */
export function slice(
  query: PageQuery,
  columns: Readonly<Record<string, SortColumn>>,
  fallback: string,
  id: IdColumn,
  firstParameter: number,
): Slice {
  const sort = query.sort ?? fallback;
  const descending = sort.startsWith('-');
  const name = descending ? sort.slice(1) : sort;
  const column = Object.hasOwn(columns, name) ? columns[name] : undefined;
  if (column === undefined) {
    const offered = Object.keys(columns).flatMap((key) => [key, `-${key}`]);
    throw new DomainError('bad_request', `sort must be one of ${offered.join(', ')}.`, {
      errors: [
        { pointer: '/sort', code: 'unknown_sort', message: `Expected one of ${offered.join(', ')}, got "${sort}".` },
      ],
    });
  }
  const direction = descending ? 'DESC' : 'ASC';
  const orderBy = `${column.expression} ${direction}, ${id.expression} ${direction}`;
  const cursorValue = `(${column.expression})::text`;
  if (query.cursor === undefined) return { where: 'true', orderBy, cursorValue, parameters: [], sort };
  const position = readCursor(query.cursor, sort, column, id);
  const where =
    `(${column.expression}, ${id.expression}) ${descending ? '<' : '>'} ` +
    `($${firstParameter}::text::${column.type}, $${firstParameter + 1}::text::${id.type})`;
  return { where, orderBy, cursorValue, parameters: [position[1], position[2]], sort };
}

/** Cuts rows that were read with `limit + 1` into a page. */
export function toPage<Row extends { cursorValue: string; id: string | number }, T>(
  rows: readonly Row[],
  limit: number,
  sort: string,
  toItem: (row: Row) => T,
): Page<T> {
  const kept = rows.slice(0, limit);
  const last = kept.at(-1);
  const nextCursor =
    rows.length > limit && last !== undefined ? writeCursor([sort, last.cursorValue, String(last.id)]) : null;
  return { items: kept.map(toItem), nextCursor };
}

/** What Postgres can read back as each type. */
const READABLE = {
  text: /^/,
  bigint: /^\d{1,18}$/,
  uuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  timestamptz: /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?[+-]\d\d(:\d\d)?$/,
} as const;

const writeCursor = (position: Position): string => Buffer.from(JSON.stringify(position)).toString('base64url');

function readCursor(cursor: string, sort: string, column: SortColumn, id: IdColumn): Position {
  const position = parse(cursor);
  if (
    Array.isArray(position) &&
    position.length === 3 &&
    position[0] === sort &&
    typeof position[1] === 'string' &&
    !position[1].includes('\0') &&
    READABLE[column.type].test(position[1]) &&
    typeof position[2] === 'string' &&
    READABLE[id.type].test(position[2])
  ) {
    return [sort, position[1], position[2]];
  }
  throw new DomainError('bad_request', 'The cursor is not one that this list gave; start again without it.', {
    errors: [
      {
        pointer: '/cursor',
        code: 'unknown_cursor',
        message: 'Expected the nextCursor of a page of this list with the same sort.',
      },
    ],
  });
}

function parse(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}

/** A LIKE pattern that finds `text` anywhere, its own wildcards taken literally. */
export const containing = (text: string): string => `%${text.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`;
