import type { CohortRule, FlagType, JsonValue } from '@fledge/evaluation';
import type { DataSource } from 'typeorm';
import type { Metadata, VariantInfo } from './documents.js';
import { CohortRow } from './entities/cohort.entity.js';
import { EnvironmentRow } from './entities/environment.entity.js';
import { FlagRow } from './entities/flag.entity.js';
import { TargetingRow, type Targeting } from './entities/targeting.entity.js';
import { findProject } from './locate.js';
import { readConsistently, type Tx } from './transaction.js';

/**
 * A project as a document: all that people decided about it, and nothing of who, when or in which version, so that the same project
 * anywhere is the same bytes. Tokens and the log are not in it.
 */
export type ProjectExport = {
  readonly format: 1;
  readonly project: { readonly key: string; readonly name: string; readonly description: string };
  readonly environments: readonly ExportedEnvironment[];
  readonly cohorts: readonly ExportedCohort[];
  readonly flags: readonly ExportedFlag[];
};

type ExportedEnvironment = {
  readonly key: string;
  readonly name: string;
  readonly description: string;
  readonly protected: boolean;
};

export type ExportedCohort = {
  readonly key: string;
  readonly name: string;
  readonly description: string;
  readonly attribute: string;
  readonly rules: readonly CohortRule[];
  readonly included: readonly string[];
  readonly excluded: readonly string[];
};

export type ExportedFlag = {
  readonly key: string;
  readonly type: FlagType;
  readonly name: string;
  readonly description: string;
  readonly variants: Readonly<Record<string, JsonValue>>;
  readonly variantInfo: VariantInfo;
  readonly defaultVariant: string | null;
  readonly tags: readonly string[];
  readonly permanent: boolean;
  readonly owner: string | null;
  readonly metadata: Metadata;
  readonly archived: boolean;
  /** By environment. */
  readonly targeting: Readonly<Record<string, Targeting>>;
};

/** Reads whole projects. */
export class ExportStore {
  constructor(private readonly dataSource: DataSource) {}

  /** The project at one moment, everything by key. `only`: the environments that the caller may see. */
  async export(project: string, only?: readonly string[]): Promise<ProjectExport> {
    return readConsistently(this.dataSource, async (tx) => {
      const owner = await findProject(tx, project);
      const { key, name, description } = owner;
      const environments = (await byKey(tx, EnvironmentRow, owner.id)).filter((row) => only?.includes(row.key) ?? true);
      const cohorts = await byKey(tx, CohortRow, owner.id);
      const members = await membersOf(tx, cohorts);
      const flags = await byKey(tx, FlagRow, owner.id);
      const targetings = await targetingsOf(tx, environments);
      return {
        format: 1,
        project: { key, name, description },
        environments: environments.map(exportedEnvironment),
        cohorts: cohorts.map((row) => ({ ...exportedCohort(row), ...units(members, row.id) })),
        flags: flags.map((row) => ({ ...exportedFlag(row), targeting: targetings.get(row.id) ?? {} })),
      };
    });
  }
}

const exportedEnvironment = (row: EnvironmentRow): ExportedEnvironment => ({
  key: row.key,
  name: row.name,
  description: row.description,
  protected: row.protected,
});

const exportedCohort = (row: CohortRow): Omit<ExportedCohort, 'included' | 'excluded'> => ({
  key: row.key,
  name: row.name,
  description: row.description,
  attribute: row.attribute ?? 'targetingKey',
  rules: row.rules,
});

export const exportedFlag = (row: FlagRow): Omit<ExportedFlag, 'targeting'> => ({
  key: row.key,
  type: row.type,
  name: row.name,
  description: row.description,
  variants: row.variants,
  variantInfo: row.variantInfo,
  defaultVariant: row.defaultVariant,
  tags: row.tags,
  permanent: row.permanent,
  owner: row.owner,
  metadata: row.metadata,
  archived: row.archivedAt !== null,
});

/** In the order of code points, which is the same in every database. */
async function byKey<T extends { key: string }>(tx: Tx, entity: new () => T, projectId: number): Promise<T[]> {
  const rows = await tx.createQueryBuilder(entity, 'row').where('row.projectId = :projectId', { projectId }).getMany();
  return rows.sort((a, b) => (a.key < b.key ? -1 : 1));
}

type Members = ReadonlyMap<string, readonly string[]>;

async function membersOf(tx: Tx, cohorts: readonly CohortRow[]): Promise<Members> {
  const rows = await tx.query<{ id: number; list: string; units: string[] }[]>(
    `SELECT cohort_id AS id, list, array_agg(unit ORDER BY unit COLLATE "C") AS units FROM cohort_member
     WHERE cohort_id = ANY ($1::int[]) AND removed_by IS NULL GROUP BY cohort_id, list`,
    [cohorts.map(({ id }) => id)],
  );
  return new Map(rows.map((row) => [`${row.id} ${row.list}`, row.units]));
}

const units = (members: Members, id: number): Pick<ExportedCohort, 'included' | 'excluded'> => ({
  included: members.get(`${id} included`) ?? [],
  excluded: members.get(`${id} excluded`) ?? [],
});

async function targetingsOf(
  tx: Tx,
  environments: readonly EnvironmentRow[],
): Promise<Map<number, Record<string, Targeting>>> {
  const found = new Map<number, Record<string, Targeting>>();
  for (const { id, key } of environments) {
    for (const { flagId, document } of await tx.find(TargetingRow, { where: { environmentId: id } })) {
      const { enabled, offVariant, prerequisites, rules, fallthrough } = document;
      const of = found.get(flagId) ?? {};
      of[key] = { enabled, offVariant, prerequisites, rules, fallthrough };
      found.set(flagId, of);
    }
  }
  return found;
}
