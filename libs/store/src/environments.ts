import type { Flag } from '@fledge/evaluation';
import type { DataSource } from 'typeorm';
import type { Actor } from './actor.js';
import { appendChange, newRevision } from './change-log.js';
import { environmentDocument, joinFlag, type EnvironmentDocument } from './documents.js';
import { EnvironmentRow } from './entities/environment.entity.js';
import { FlagRow } from './entities/flag.entity.js';
import type { ProjectRow } from './entities/project.entity.js';
import { TargetingRow, type Targeting } from './entities/targeting.entity.js';
import { deleteEnvironment, saveEnvironment } from './environment-writes.js';
import { keyTaken } from './errors.js';
import { DEFAULT_LIMITS, refuseBeyond, type Limits } from './limits.js';
import { findEnvironment, findProject, refuseStale, type Expected } from './locate.js';
import { containing, slice, toPage, type Page, type PageQuery } from './page.js';
import { cohortsPatch, reachedCohorts } from './reach.js';
import { refuseProtected } from './protection.js';
import { endRollouts, lockRolloutsOf } from './rollouts/end-all.js';
import { targetingFrom } from './targeting-defaults.js';
import { insertTargetings } from './targeting-rows.js';
import { read, write, type Tx } from './transaction.js';

export type NewEnvironment = {
  readonly key: string;
  readonly name?: string | null | undefined;
  readonly description?: string | null | undefined;
  readonly protected?: boolean | undefined;
  /** The environment whose targeting the new one begins with. */
  readonly copyFrom?: string | undefined;
  /** Whether flags that are enabled there are enabled here; default false. */
  readonly keepEnabled?: boolean | undefined;
};
/** A merge patch: null takes a field back to its default. */
export type EnvironmentEdit = {
  readonly name?: string | null | undefined;
  readonly description?: string | null | undefined;
  readonly protected?: boolean | null | undefined;
};

const SORTS = {
  key: { expression: 'environment.key', type: 'text' },
  createdAt: { expression: 'environment.created_at', type: 'timestamptz' },
  updatedAt: { expression: 'environment.updated_at', type: 'timestamptz' },
} as const;

/** The environments of a project: each serves every flag in its own way and has a version of its own. */
export class EnvironmentStore {
  constructor(
    private readonly dataSource: DataSource,
    private readonly limits: Limits = DEFAULT_LIMITS,
  ) {}

  async list(
    project: string,
    query: PageQuery & { readonly q?: string | undefined },
  ): Promise<Page<EnvironmentDocument>> {
    const part = slice(query, SORTS, 'key', { expression: 'environment.id', type: 'bigint' }, 4);
    return read(async () => {
      const owner = await findProject(this.dataSource.manager, project);
      const rows = await this.dataSource.query<(EnvironmentRow & { cursorValue: string })[]>(
        `SELECT id, key, name, description, protected, version, snapshot_version AS "snapshotVersion",
                created_at AS "createdAt", updated_at AS "updatedAt", ${part.cursorValue} AS "cursorValue"
         FROM environment
         WHERE project_id = $1 AND ($2::text IS NULL OR key ILIKE $2 OR name ILIKE $2) AND ${part.where}
         ORDER BY ${part.orderBy} LIMIT $3`,
        [owner.id, query.q === undefined ? null : containing(query.q), query.limit + 1, ...part.parameters],
      );
      return toPage(rows, query.limit, part.sort, (row) => environmentDocument(row, owner.key));
    });
  }

  async get(project: string, key: string): Promise<EnvironmentDocument> {
    return read(async () => {
      const owner = await findProject(this.dataSource.manager, project);
      return environmentDocument(await findEnvironment(this.dataSource.manager, owner, key), owner.key);
    });
  }

  /** Makes an environment in which every flag of the project is disabled, or as it is in `copyFrom`. */
  async create(by: Actor, project: string, input: NewEnvironment): Promise<EnvironmentDocument> {
    return write(this.dataSource, by, async (tx) => {
      const owner = await findProject(tx, project, true);
      refuseBeyond(
        this.limits,
        'environmentsPerProject',
        await tx.count(EnvironmentRow, { where: { projectId: owner.id } }),
      );
      return createEnvironmentRow(tx, by, owner, input);
    });
  }

  async update(
    by: Actor,
    project: string,
    key: string,
    edit: EnvironmentEdit,
    expected?: Expected,
  ): Promise<EnvironmentDocument> {
    return write(this.dataSource, by, async (tx) => {
      const owner = await findProject(tx, project);
      const row = await findEnvironment(tx, owner, key, true);
      refuseStale(row.version, expected);
      return saveEnvironment(tx, by, owner, row, {
        ...row,
        name: edit.name === undefined ? row.name : (edit.name ?? row.key),
        description: edit.description === undefined ? row.description : (edit.description ?? ''),
        protected: edit.protected === undefined ? row.protected : (edit.protected ?? false),
      });
    });
  }

  /**
   * Deletes an environment with its targeting and its keys; the change log keeps what was. `force` ends its live rollouts with it.
   * @throws DomainError `protected`, `referenced` while a rollout lives there
   */
  async delete(by: Actor, project: string, key: string, expected?: Expected, force = false): Promise<void> {
    await write(this.dataSource, by, async (tx) => {
      const scope = { environmentId: (await findEnvironment(tx, await findProject(tx, project), key)).id };
      const live = await lockRolloutsOf(tx, scope, { kind: 'environment', key }, force);
      const owner = await findProject(tx, project, true);
      const row = await findEnvironment(tx, owner, key, true);
      refuseStale(row.version, expected);
      refuseProtected([row]);
      await endRollouts(tx, by, scope, live, this.limits);
      await deleteEnvironment(tx, by, owner, row);
    });
  }
}

/** Inserts an environment at version 1, whose first change brings every flag of the project. */
export async function createEnvironmentRow(
  tx: Tx,
  by: Actor,
  project: ProjectRow,
  input: NewEnvironment,
): Promise<EnvironmentDocument> {
  const source = input.copyFrom === undefined ? undefined : await findEnvironment(tx, project, input.copyFrom, true);
  const row = await insertEnvironment(tx, project, input);
  const flags = await tx.find(FlagRow, { where: { projectId: project.id }, order: { id: 'ASC' } });
  const copied = source === undefined ? new Map<number, Targeting>() : await targetingsOf(tx, source.id);
  const targetings = flags.map((flag) => {
    const found = copied.get(flag.id);
    // Another environment's rollouts measure nothing here.
    const document = targetingFrom(found, flag);
    return { flag, document: { ...document, enabled: document.enabled && input.keepEnabled === true } };
  });
  await insertTargetings(
    tx,
    targetings.map(({ flag, document }) => ({ flagId: flag.id, environmentId: row.id, document, version: 1 })),
  );
  const reached = await reachedCohorts(tx, project.id, row.id);
  const served = targetings.filter(({ flag }) => flag.archivedAt === null);
  const document = environmentDocument({ ...row, snapshotVersion: 1 }, project.key);
  await appendChange(
    tx,
    by,
    {
      action: 'environment.created',
      project,
      subject: { type: 'environment', key: row.key },
      environment: row.key,
      before: null,
      after:
        input.copyFrom === undefined
          ? document
          : { ...document, copyFrom: input.copyFrom, keepEnabled: input.keepEnabled === true },
    },
    [
      {
        environment: row,
        patch: {
          flags: Object.fromEntries(
            served.map(({ flag, document: targeting }): [string, Flag] => [flag.key, joinFlag(flag, targeting)]),
          ),
          ...(reached.size === 0 ? {} : { cohorts: cohortsPatch([...reached.values()]) }),
        },
      },
    ],
  );
  return document;
}

async function insertEnvironment(tx: Tx, project: ProjectRow, input: NewEnvironment): Promise<EnvironmentRow> {
  const row = tx.create(EnvironmentRow, {
    projectId: project.id,
    key: input.key,
    name: input.name ?? input.key,
    description: input.description ?? '',
    protected: input.protected ?? false,
    snapshotVersion: 0,
    revision: newRevision(0),
    changedAt: new Date(0),
  });
  try {
    return await tx.save(row);
  } catch (error) {
    throw keyTaken(error, 'environment', input.key);
  }
}

async function targetingsOf(tx: Tx, environmentId: number): Promise<Map<number, Targeting>> {
  const rows = await tx.find(TargetingRow, { where: { environmentId } });
  return new Map(rows.map((row) => [row.flagId, row.document]));
}
