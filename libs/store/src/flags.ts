import { isDeepStrictEqual } from 'node:util';
import { validateDefinition, type Flag } from '@fledge/evaluation';
import type { DataSource } from 'typeorm';
import type { Actor } from './actor.js';
import { appendChange, type Touched } from './change-log.js';
import { flagDocument, joinFlag, type FlagDocument } from './documents.js';
import type { EnvironmentRow } from './entities/environment.entity.js';
import { FlagRow } from './entities/flag.entity.js';
import { TargetingRow, type Targeting } from './entities/targeting.entity.js';
import { insertTargetings } from './environments.js';
import { DomainError, refuseProblems } from './errors.js';
import {
  applyEdit,
  defaultVariantProblems,
  editable,
  insertFlag,
  type FlagEdit,
  type NewFlag,
} from './flag-definition.js';
import { refuseMissingPrerequisites, refuseServedVariants } from './flag-references.js';
import { DEFAULT_LIMITS, refuseBeyond, type Limits } from './limits.js';
import { findEnvironment, findFlag, findProject, lockEnvironments, refuseStale, type Expected } from './locate.js';
import { containing, slice, toPage, type Page, type PageQuery } from './page.js';
import { reachOfAll, withReach } from './reach.js';
import { flagsRequiring, refuseReferenced } from './references.js';
import { BOOLEAN_VARIANTS, initialTargeting } from './targeting-defaults.js';
import { read, updateRow, write, type Tx } from './transaction.js';

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
      const owner = await findProject(tx, project, true);
      const environments = await lockEnvironments(tx, owner);
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
      const row = await insertFlag(tx, owner, input, definition);
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
      const document = flagDocument(row, owner.key);
      await appendChange(
        tx,
        by,
        {
          action: 'flag.created',
          project: owner,
          subject: { type: 'flag', key: row.key },
          before: null,
          after: document,
        },
        environments.map((environment) => ({ environment, patch: { flags: { [row.key]: joinFlag(row, targeting) } } })),
      );
      return { ...document, warnings };
    });
  }

  /** Edits the project-wide part. Environments get a new version only when what SDKs see changes. */
  async update(by: Actor, project: string, key: string, edit: FlagEdit, expected?: Expected): Promise<FlagDocument> {
    return write(this.dataSource, by, async (tx) => {
      const owner = await findProject(tx, project, true);
      const environments = await lockEnvironments(tx, owner);
      const row = await findFlag(tx, owner, key);
      refuseStale(row.version, expected);
      const before = flagDocument(row, owner.key);
      const changed = applyEdit(row, edit);
      if (isDeepStrictEqual(flagDocument(changed, owner.key), before)) return { ...before, warnings: [] };
      const { problems, warnings } = validateDefinition(
        {
          key,
          type: row.type,
          variants: changed.variants,
          variantInfo: changed.variantInfo,
          metadata: changed.metadata,
        },
        this.limits,
      );
      refuseProblems([...problems, ...(edit.defaultVariant === undefined ? [] : defaultVariantProblems(changed))]);
      const targetings = await targetingsByEnvironment(tx, row.id);
      await refuseServedVariants(tx, owner, row, changed, environments, targetings);
      const saved = { ...changed, version: row.version + 1, updatedAt: new Date() };
      await updateRow(tx, FlagRow, { id: row.id }, editable(saved));
      const seen =
        row.archivedAt === null && !isDeepStrictEqual([row.variants, row.metadata], [saved.variants, saved.metadata]);
      const touched = seen ? await touch(tx, saved, environments, targetings) : [];
      const after = flagDocument(saved, owner.key);
      await appendChange(
        tx,
        by,
        { action: 'flag.updated', project: owner, subject: { type: 'flag', key }, before, after },
        touched,
      );
      return { ...after, warnings };
    });
  }

  /** Takes a flag out of every snapshot. @throws DomainError `referenced` while a prerequisite names it */
  async archive(by: Actor, project: string, key: string, expected?: Expected): Promise<FlagDocument> {
    return write(this.dataSource, by, async (tx) => {
      const owner = await findProject(tx, project, true);
      const environments = await lockEnvironments(tx, owner);
      const row = await findFlag(tx, owner, key);
      refuseStale(row.version, expected);
      const before = flagDocument(row, owner.key);
      if (row.archivedAt !== null) return before;
      refuseReferenced('flag', key, await flagsRequiring(tx, owner.id, key, { archived: false }));
      const reach = await reachOfAll(tx, owner.id, environments);
      const archived = { ...row, archivedAt: new Date(), version: row.version + 1, updatedAt: new Date() };
      await updateRow(tx, FlagRow, { id: row.id }, editable(archived));
      const touched = await withReach(tx, owner.id, environments, reach, () => ({ removed: { flags: [key] } }));
      const after = flagDocument(archived, owner.key);
      await appendChange(
        tx,
        by,
        { action: 'flag.archived', project: owner, subject: { type: 'flag', key }, before, after },
        touched,
      );
      return after;
    });
  }

  /** Brings an archived flag back, disabled everywhere. @throws DomainError `referenced` when something it needs is archived itself */
  async restore(by: Actor, project: string, key: string, expected?: Expected): Promise<FlagDocument> {
    return write(this.dataSource, by, async (tx) => {
      const owner = await findProject(tx, project, true);
      const environments = await lockEnvironments(tx, owner);
      const row = await findFlag(tx, owner, key);
      refuseStale(row.version, expected);
      const before = flagDocument(row, owner.key);
      if (row.archivedAt === null) return before;
      const reach = await reachOfAll(tx, owner.id, environments);
      const targetings = await targetingsByEnvironment(tx, row.id);
      await refuseMissingPrerequisites(tx, row, environments, targetings);
      const restored = { ...row, archivedAt: null, version: row.version + 1, updatedAt: new Date() };
      await updateRow(tx, FlagRow, { id: row.id }, editable(restored));
      for (const environment of environments) {
        const document = { ...(targetings.get(environment.id) ?? initialTargeting(row)), enabled: false };
        targetings.set(environment.id, document);
        await updateRow(
          tx,
          TargetingRow,
          { flagId: row.id, environmentId: environment.id },
          { document, version: environment.snapshotVersion + 1, updatedAt: new Date() },
        );
      }
      const touched = await withReach(tx, owner.id, environments, reach, (environment) => ({
        flags: { [key]: joinFlag(restored, targetings.get(environment.id) ?? initialTargeting(row)) },
      }));
      const after = flagDocument(restored, owner.key);
      await appendChange(
        tx,
        by,
        { action: 'flag.restored', project: owner, subject: { type: 'flag', key }, before, after },
        touched,
      );
      return after;
    });
  }

  /** Deletes an archived flag for good. @throws DomainError `not_archived`, `referenced` */
  async delete(by: Actor, project: string, key: string, expected?: Expected): Promise<void> {
    await write(this.dataSource, by, async (tx) => {
      const owner = await findProject(tx, project, true);
      await lockEnvironments(tx, owner);
      const row = await findFlag(tx, owner, key);
      refuseStale(row.version, expected);
      if (row.archivedAt === null) {
        throw new DomainError('not_archived', `Only an archived flag can be deleted; archive "${key}" first.`);
      }
      refuseReferenced('flag', key, await flagsRequiring(tx, owner.id, key, { archived: true }));
      await appendChange(tx, by, {
        action: 'flag.deleted',
        project: owner,
        subject: { type: 'flag', key },
        before: { ...flagDocument(row, owner.key), targeting: await targetingsForTheRecord(tx, row.id) },
        after: null,
      });
      await tx.delete(FlagRow, { id: row.id });
    });
  }
}

async function targetingsByEnvironment(tx: Tx, flagId: number): Promise<Map<number, Targeting>> {
  const rows = await tx.find(TargetingRow, { where: { flagId } });
  return new Map(rows.map((row) => [row.environmentId, row.document]));
}

/** Raises the targeting documents' versions to those the environments are about to get, and says what SDKs will see. */
async function touch(
  tx: Tx,
  flag: FlagRow,
  environments: readonly EnvironmentRow[],
  targetings: ReadonlyMap<number, Targeting>,
): Promise<Touched[]> {
  const touched: Touched[] = [];
  for (const environment of environments) {
    const targeting = targetings.get(environment.id);
    if (targeting === undefined) continue;
    await updateRow(
      tx,
      TargetingRow,
      { flagId: flag.id, environmentId: environment.id },
      { version: environment.snapshotVersion + 1, updatedAt: flag.updatedAt },
    );
    touched.push({ environment, patch: { flags: { [flag.key]: joinFlag(flag, targeting) } } });
  }
  return touched;
}

async function targetingsForTheRecord(tx: Tx, flagId: number): Promise<Record<string, Targeting>> {
  const rows = await tx.find(TargetingRow, { where: { flagId }, relations: { environment: true } });
  return Object.fromEntries(
    rows.flatMap((row) => (row.environment === undefined ? [] : [[row.environment.key, row.document]])),
  );
}
