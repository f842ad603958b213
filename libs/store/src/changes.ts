import type { JsonValue } from '@fledge/evaluation';
import type { DataSource } from 'typeorm';
import { iso } from './documents.js';
import type { ChangeRow } from './entities/change.entity.js';
import { notFound } from './errors.js';
import { findProject } from './locate.js';
import { containing, slice, toPage, type Page, type PageQuery } from './page.js';
import { read, type Tx } from './transaction.js';

/** Who changed what, when and why, with the document before and after. */
export type ChangeDocument = {
  readonly id: string;
  readonly at: string;
  readonly action: string;
  readonly project: string | null;
  readonly subject: { readonly type: string; readonly key: string };
  readonly environment: string | null;
  /** The environments whose snapshots it changed, with the version each got. */
  readonly environments: readonly { readonly key: string; readonly version: number }[];
  readonly actor: { readonly id: string; readonly name: string; readonly kind: string };
  readonly requestId: string | null;
  readonly comment: string | null;
  /** The id of the change that this one undoes. */
  readonly reverts: string | null;
  readonly before: JsonValue;
  readonly after: JsonValue;
};

export type ChangeQuery = PageQuery & {
  readonly action?: string | undefined;
  readonly type?: string | undefined;
  readonly key?: string | undefined;
  readonly environment?: string | undefined;
  readonly actor?: string | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  /** Only changes whose action, subject, comment or actor's name contain this, regardless of case. */
  readonly q?: string | undefined;
};

const SORTS = { id: { expression: 'change.id', type: 'bigint' } } as const;

/** The log of changes. Nothing here writes: changes are written by the writes they describe. */
export class ChangeStore {
  constructor(private readonly dataSource: DataSource) {}

  /** The newest first. `project` undefined: everything, also of what is gone. `environments` limits to what those saw. */
  async list(query: ChangeQuery, project?: string, environments?: readonly string[]): Promise<Page<ChangeDocument>> {
    const part = slice(
      { ...query, sort: query.sort ?? '-id' },
      SORTS,
      '-id',
      { expression: 'change.id', type: 'bigint' },
      12,
    );
    return read(async () => {
      const owner = project === undefined ? undefined : await findProject(this.dataSource.manager, project);
      const rows = await this.dataSource.query<(ChangeRow & { cursorValue: string })[]>(
        `SELECT ${COLUMNS}, ${part.cursorValue} AS "cursorValue" FROM change
         WHERE ($1::int IS NULL OR project_id = $1) AND ($2::text IS NULL OR action = $2) AND ($3::text IS NULL OR subject_type = $3)
           AND ($4::text IS NULL OR subject_key = $4)
           AND ($5::text IS NULL OR environment_key = $5 OR environments @> jsonb_build_array(jsonb_build_object('key', $5)))
           AND ($6::text IS NULL OR actor ->> 'id' = $6) AND ($7::timestamptz IS NULL OR at >= $7) AND ($8::timestamptz IS NULL OR at < $8)
           AND ($9::text[] IS NULL OR environment_key IS NULL OR environment_key = ANY ($9))
           AND ($11::text IS NULL OR action ILIKE $11 OR subject_key ILIKE $11 OR comment ILIKE $11 OR actor ->> 'name' ILIKE $11)
           AND ${part.where}
         ORDER BY ${part.orderBy} LIMIT $10`,
        [
          owner?.id ?? null,
          query.action ?? null,
          query.type ?? null,
          query.key ?? null,
          query.environment ?? null,
          query.actor ?? null,
          query.since ?? null,
          query.until ?? null,
          environments ?? null,
          query.limit + 1,
          query.q === undefined ? null : containing(query.q),
          ...part.parameters,
        ],
      );
      return toPage(rows, query.limit, part.sort, changeDocument);
    });
  }

  /** One change; of a project, if one is named, and as limited as the list. */
  async get(id: string, project?: string, environments?: readonly string[]): Promise<ChangeDocument> {
    return changeDocument(await this.row(id, project, environments));
  }

  async row(id: string, project?: string, environments?: readonly string[]): Promise<ChangeRow> {
    return read(async () => {
      const owner = project === undefined ? undefined : await findProject(this.dataSource.manager, project);
      const [row] = await this.dataSource.query<ChangeRow[]>(
        `SELECT ${COLUMNS} FROM change WHERE id = $1::bigint AND ($2::int IS NULL OR project_id = $2)
           AND ($3::text[] IS NULL OR environment_key IS NULL OR environment_key = ANY ($3))`,
        [/^\d{1,18}$/.test(id) ? id : '0', owner?.id ?? null, environments ?? null],
      );
      if (row === undefined) throw notFound('change', id);
      return row;
    });
  }

  /** Every change that the query finds, the oldest first, read page by page as the reader takes them. */
  async *every(
    query: Omit<ChangeQuery, 'limit' | 'cursor' | 'sort'>,
    project?: string,
    environments?: readonly string[],
  ): AsyncGenerator<ChangeDocument, void, undefined> {
    let cursor: string | null | undefined;
    while (cursor !== null) {
      const page: Page<ChangeDocument> = await this.list(
        { ...query, sort: 'id', limit: EXPORT_PAGE, ...(cursor === undefined ? {} : { cursor }) },
        project,
        environments,
      );
      yield* page.items;
      cursor = page.nextCursor;
    }
  }
}

const EXPORT_PAGE = 100;

const COLUMNS = `id, at, action, project_id AS "projectId", project_key AS "projectKey", subject_type AS "subjectType",
  subject_key AS "subjectKey", environment_key AS "environmentKey", environments, actor, request_id AS "requestId", comment, reverts,
  before, after`;

/** The newest change that undoes the one with this id, as the transaction sees it. */
export async function revertOf(tx: Tx, id: string): Promise<ChangeDocument> {
  const [row] = await tx.query<ChangeRow[]>(
    `SELECT ${COLUMNS} FROM change WHERE reverts = $1::bigint ORDER BY id DESC LIMIT 1`,
    [id],
  );
  if (row === undefined) throw new Error(`The change ${id} was undone without a trace.`);
  return changeDocument(row);
}

const changeDocument = (row: ChangeRow): ChangeDocument => ({
  id: row.id,
  at: iso(row.at),
  action: row.action,
  project: row.projectKey,
  subject: { type: row.subjectType, key: row.subjectKey },
  environment: row.environmentKey,
  environments: row.environments,
  actor: row.actor,
  requestId: row.requestId,
  comment: row.comment,
  reverts: row.reverts,
  before: row.before,
  after: row.after,
});
