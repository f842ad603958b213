import type { INestApplication } from '@nestjs/common';
import type { Access } from './access.js';
import { DeclaredAccess } from './declared-access.js';

/** Who may call which route, as docs/access.md shows it: a Markdown table in the form that the formatter leaves alone. */
export function accessTable(app: INestApplication): string {
  const rows = app
    .get(DeclaredAccess)
    .routes()
    .map(({ method, path, access }) => [
      method,
      `\`${path.replaceAll(/:(\w+)/g, '{$1}')}\``,
      ...roleColumns(access).map((may) => (may ? 'yes' : '')),
      others(access),
    ]);
  return table([['', 'route', 'viewer', 'operator', 'editor', 'admin', 'others'], ...rows]);
}

const ROLES = ['viewer', 'operator', 'editor', 'admin'] as const;

const roleColumns = (access: Access): boolean[] =>
  ROLES.map((_, rank) => access.kind === 'management' && rank >= ROLES.indexOf(access.role));

function others(access: Access): string {
  switch (access.kind) {
    case 'public':
      return 'everybody, without a token';
    case 'sdk':
      return 'SDK keys';
    case 'evaluation':
      return 'SDK and client keys';
    case 'management':
      return access.everything ? 'only tokens for all projects' : '';
  }
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(3, ...rows.map((row) => (row[column] ?? '').length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = rows;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)].join('\n');
}

const BEGIN = '<!-- routes: written by `npm run openapi` -->';
const END = '<!-- /routes -->';

/** The page with the table in its place. */
export function withAccessTable(page: string, app: INestApplication): string {
  const [before, rest] = page.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error(`The page has no place for the table: ${BEGIN}`);
  return `${before}${BEGIN}\n\n${accessTable(app)}\n\n${END}${after}`;
}
