import { validateDefinition, type Flag } from '@fledge/evaluation';
import type { DataSource } from 'typeorm';
import type { Actor } from './actor.js';
import { appendChange } from './change-log.js';
import { flagDocument, joinFlag, type FlagDocument } from './documents.js';
import { FlagRow } from './entities/flag.entity.js';
import { insertTargetings } from './targeting-rows.js';
import { DomainError, refuseProblems } from './errors.js';
import {
  applyEdit,
  defaultVariantProblems,
  insertFlag,
  type Definition,
  type FlagEdit,
  type NewFlag,
} from './flag-definition.js';
import { archiveFlag, deleteFlag, restoreFlag, saveDefinition } from './flag-writes.js';
import { DEFAULT_LIMITS, refuseBeyond, type Limits } from './limits.js';
import { findEnvironment, findFlag, findProject, refuseStale, type Expected } from './locate.js';
import { containing, slice, toPage, type Page, type PageQuery } from './page.js';
import { lockScope, type Scope } from './scope.js';
import { endRollouts, lockRolloutsOf } from './rollouts/end-all.js';
import { BOOLEAN_VARIANTS, initialTargeting } from './targeting-defaults.js';
import { read, write, type Tx } from './transaction.js';

export type FlagQuery = PageQuery & {
  readonly q?: string | undefined;
  readonly tag?: string | undefined;
  readonly archived?: boolean | undefined;
};

/** What application code sees of a flag, whoever gets what of it. */
export type FlagShape = Pick<Flag, 'key' | 'type' | 'variants'>;

const SORTS = {
  key: { expression: 'flag.key', type: 'text' },
  name: { expression: 'flag.name', type: 'text' },
  createdAt: { expression: 'flag.created_at', type: 'timestamptz' },
  updatedAt: { expression: 'flag.updated_at', type: 'timestamptz' },
} as const;

/** The project-wide part of flags. What an environment says about them is the targeting store's. */
export class FlagStore {
  constructor(
    private readonly dataSource: DataSource,
    private readonly limits: Limits = DEFAULT_LIMITS,
  ) {}

  async list(project: string, query: FlagQuery): Promise<Page<FlagDocument>> {
    const part = slice(query, SORTS, 'key', { expression: 'flag.id', type: 'bigint' }, 6);
    return read(async () => {
      const owner = await findProject(this.dataSource.manager, project);
      const rows = await this.dataSource.query<(FlagRow & { cursorValue: string })[]>(
        `SELECT id, key, type, name, description, variants, variant_info AS "variantInfo", default_variant AS "defaultVariant",
                tags, permanent, owner, metadata, archived_at AS "archivedAt", version,
                created_at AS "createdAt", updated_at AS "updatedAt", ${part.cursorValue} AS "cursorValue"
         FROM flag
         WHERE project_id = $1 AND ($2::text IS NULL OR key ILIKE $2 OR name ILIKE $2 OR description ILIKE $2)
           AND ($3::text IS NULL OR tags @> ARRAY[$3]) AND (archived_at IS NOT NULL) = $4 AND ${part.where}
         ORDER BY ${part.orderBy} LIMIT $5`,
        [
          owner.id,
          query.q === undefined ? null : containing(query.q),
          query.tag ?? null,
          query.archived ?? false,
          query.limit + 1,
          ...part.parameters,
        ],
      );
      return toPage(rows, query.limit, part.sort, (row) => flagDocument(row, owner.key));
    });
  }

  async get(project: string, key: string): Promise<FlagDocument> {
    return read(async () => {
      const owner = await findProject(this.dataSource.manager, project);
      return flagDocument(await findFlag(this.dataSource.manager, owner, key), owner.key);
    });
  }

  /** Every flag that SDKs of the environment can be served, in one order for all databases. @throws DomainError `not_found` */
  async shapes(project: string, environment: string): Promise<FlagShape[]> {
    return read(async () => {
      const owner = await findProject(this.dataSource.manager, project);
      await findEnvironment(this.dataSource.manager, owner, environment);
      return this.dataSource.query<FlagShape[]>(
        `SELECT key, type, variants FROM flag WHERE project_id = $1 AND archived_at IS NULL ORDER BY key COLLATE "C"`,
        [owner.id],
      );
    });
  }

  /** Makes a flag with a targeting document in every environment, disabled. @throws DomainError `key_taken`, `invalid`, `limit_reached` */
  async create(by: Actor, project: string, input: NewFlag): Promise<FlagDocument> {
    return write(this.dataSource, by, async (tx) => {
      const { owner, environments } = await lockScope(tx, project);
      const variants = input.variants ?? (input.type === 'boolean' ? BOOLEAN_VARIANTS : {});
      const definition = {
        key: input.key,
        type: input.type,
        variants,
        variantInfo: input.variantInfo ?? {},
        metadata: input.metadata ?? {},
      };
      const { problems, warnings } = validateDefinition(definition, this.limits);
      refuseProblems(problems);
      refuseBeyond(this.limits, 'flagsPerProject', await tx.count(FlagRow, { where: { projectId: owner.id } }));
      return { ...(await createFlag(tx, by, { owner, environments }, { ...input, ...definition })), warnings };
    });
  }

  /** Edits the project-wide part. Environments get a new version only when what SDKs see changes. */
  async update(by: Actor, project: string, key: string, edit: FlagEdit, expected?: Expected): Promise<FlagDocument> {
    return this.#write(by, project, key, expected, (tx, scope, row) => {
      const changed = applyEdit(row, edit);
      const wrong = edit.defaultVariant === undefined ? [] : defaultVariantProblems(changed);
      return saveDefinition(tx, by, scope, row, changed, this.limits, wrong);
    });
  }

  /**
   * Takes a flag out of every snapshot. `force` ends its live rollouts with it.
   * @throws DomainError `referenced` while a prerequisite names it or a rollout lives
   */
  async archive(by: Actor, project: string, key: string, expected?: Expected, force = false): Promise<FlagDocument> {
    return write(this.dataSource, by, async (tx) => {
      const { id: flagId } = await findFlag(tx, await findProject(tx, project), key);
      const live = await lockRolloutsOf(tx, { flagId }, { kind: 'flag', key }, force);
      const { owner } = await lockScope(tx, project);
      refuseStale((await findFlag(tx, owner, key)).version, expected);
      await endRollouts(tx, by, { flagId }, live, this.limits);
      const scope = await lockScope(tx, project);
      return archiveFlag(tx, by, scope, await findFlag(tx, owner, key));
    });
  }

  /** Brings an archived flag back, disabled everywhere. @throws DomainError `referenced` when something it needs is archived itself */
  async restore(by: Actor, project: string, key: string, expected?: Expected): Promise<FlagDocument> {
    return this.#write(by, project, key, expected, (tx, scope, row) => restoreFlag(tx, by, scope, row));
  }

  /** Deletes an archived flag for good. @throws DomainError `not_archived`, `referenced` */
  async delete(by: Actor, project: string, key: string, expected?: Expected): Promise<void> {
    await this.#write(by, project, key, expected, async (tx, scope, row) => {
      if (row.archivedAt === null) {
        throw new DomainError('not_archived', `Only an archived flag can be deleted; archive "${key}" first.`);
      }
      await deleteFlag(tx, by, scope, row);
    });
  }

  async #write<T>(
    by: Actor,
    project: string,
    key: string,
    expected: Expected,
    work: (tx: Tx, scope: Scope, row: FlagRow) => Promise<T>,
  ): Promise<T> {
    return write(this.dataSource, by, async (tx) => {
      const scope = await lockScope(tx, project);
      const row = await findFlag(tx, scope.owner, key);
      refuseStale(row.version, expected);
      return work(tx, scope, row);
    });
  }
}

/** Makes a flag of a valid definition, in the caller's transaction, whose scope is locked: disabled everywhere. @throws DomainError `key_taken` */
export async function createFlag(
  tx: Tx,
  by: Actor,
  { owner, environments }: Scope,
  input: NewFlag & Definition,
): Promise<FlagDocument> {
  const row = await insertFlag(tx, owner, input, input);
  const targeting = initialTargeting(row);
  await insertTargetings(
    tx,
    environments.map((each) => ({
      flagId: row.id,
      environmentId: each.id,
      document: targeting,
      version: each.snapshotVersion + 1,
    })),
  );
  const after = flagDocument(row, owner.key);
  const subject = { type: 'flag', key: row.key } as const;
  await appendChange(
    tx,
    by,
    { action: 'flag.created', project: owner, subject, before: null, after },
    environments.map((environment) => ({ environment, patch: { flags: { [row.key]: joinFlag(row, targeting) } } })),
  );
  return after;
}
