import type { DataSource } from 'typeorm';
import type { Actor } from './actor.js';
import { appendChange } from './change-log.js';
import { projectDocument, type ProjectDocument } from './documents.js';
import { ProjectRow } from './entities/project.entity.js';
import { keyTaken } from './errors.js';
import { DEFAULT_LIMITS } from './limits.js';
import { findProject, refuseStale, type Expected } from './locate.js';
import { containing, slice, toPage, type Page, type PageQuery } from './page.js';
import { deleteProject, saveProject } from './project-writes.js';
import { refuseProtected } from './protection.js';
import { endRollouts, lockRolloutsOf } from './rollouts/end-all.js';
import { lockScope } from './scope.js';
import { read, write, type Tx } from './transaction.js';
import { createEnvironmentRow } from './environments.js';

export type NewProject = {
  readonly key: string;
  readonly name?: string | null | undefined;
  readonly description?: string | null | undefined;
};
/** A merge patch: null takes a field back to its default. */
export type ProjectEdit = {
  readonly name?: string | null | undefined;
  readonly description?: string | null | undefined;
};

const SORTS = {
  key: { expression: 'project.key', type: 'text' },
  createdAt: { expression: 'project.created_at', type: 'timestamptz' },
  updatedAt: { expression: 'project.updated_at', type: 'timestamptz' },
} as const;

/** Projects: each with environments, flags and cohorts of its own. */
export class ProjectStore {
  constructor(private readonly dataSource: DataSource) {}

  /** `only`: the one project that the caller may see; undefined: all. */
  async list(query: PageQuery & { readonly q?: string | undefined }, only?: number): Promise<Page<ProjectDocument>> {
    const part = slice(query, SORTS, 'key', { expression: 'project.id', type: 'bigint' }, 4);
    return read(async () => {
      const rows = await this.dataSource.query<(ProjectRow & { cursorValue: string })[]>(
        `SELECT project.id, project.key, name, description, version, created_at AS "createdAt", updated_at AS "updatedAt",
                ${part.cursorValue} AS "cursorValue"
         FROM project
         WHERE ($1::int IS NULL OR project.id = $1) AND ($2::text IS NULL OR project.key ILIKE $2 OR name ILIKE $2) AND ${part.where}
         ORDER BY ${part.orderBy} LIMIT $3`,
        [only ?? null, query.q === undefined ? null : containing(query.q), query.limit + 1, ...part.parameters],
      );
      return toPage(rows, query.limit, part.sort, projectDocument);
    });
  }

  async get(key: string): Promise<ProjectDocument> {
    return read(async () => projectDocument(await findProject(this.dataSource.manager, key)));
  }

  /** Makes a project, with the environments named. @throws DomainError `key_taken` */
  async create(by: Actor, input: NewProject, environments: readonly string[] = []): Promise<ProjectDocument> {
    return write(this.dataSource, by, async (tx) => {
      const row = await createProjectRow(tx, by, input);
      for (const key of environments) await createEnvironmentRow(tx, by, row, { key });
      return projectDocument(row);
    });
  }

  async update(by: Actor, key: string, edit: ProjectEdit, expected?: Expected): Promise<ProjectDocument> {
    return write(this.dataSource, by, async (tx) => {
      const row = await findProject(tx, key, true);
      refuseStale(row.version, expected);
      return saveProject(tx, by, row, {
        ...row,
        name: edit.name === undefined ? row.name : (edit.name ?? row.key),
        description: edit.description === undefined ? row.description : (edit.description ?? ''),
      });
    });
  }

  /**
   * Deletes a project with everything in it; the change log keeps what was. `force` ends its live rollouts with it.
   * @throws DomainError `protected`, `referenced` while a rollout lives in it
   */
  async delete(by: Actor, key: string, expected?: Expected, force = false): Promise<void> {
    await write(this.dataSource, by, async (tx) => {
      const within = { projectId: (await findProject(tx, key)).id };
      const live = await lockRolloutsOf(tx, within, { kind: 'project', key }, force);
      const scope = await lockScope(tx, key);
      refuseStale(scope.owner.version, expected);
      refuseProtected(scope.environments);
      await endRollouts(tx, by, within, live, DEFAULT_LIMITS);
      await deleteProject(tx, by, await lockScope(tx, key));
    });
  }
}

/** Makes a project without environments, in the caller's transaction. @throws DomainError `key_taken` */
export async function createProjectRow(tx: Tx, by: Actor, input: NewProject): Promise<ProjectRow> {
  const row = await insertProject(tx, input);
  const subject = { type: 'project', key: row.key } as const;
  const record = { action: 'project.created', project: row, subject, before: null, after: projectDocument(row) };
  await appendChange(tx, by, record);
  return row;
}

async function insertProject(tx: Tx, input: NewProject): Promise<ProjectRow> {
  const row = tx.create(ProjectRow, {
    key: input.key,
    name: input.name ?? input.key,
    description: input.description ?? '',
  });
  try {
    return await tx.save(row);
  } catch (error) {
    throw keyTaken(error, 'project', input.key);
  }
}
