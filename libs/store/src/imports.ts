import { isDeepStrictEqual } from 'node:util';
import type { DataSource } from 'typeorm';
import type { Cohort, Flag } from '@fledge/evaluation';
import type { Actor } from './actor.js';
import { createCohort } from './cohorts.js';
import { replacingBatch } from './cohort-members.js';
import { saveCohort } from './cohort-writes.js';
import { joinFlag } from './documents.js';
import { CohortRow } from './entities/cohort.entity.js';
import { FlagRow } from './entities/flag.entity.js';
import { ProjectRow } from './entities/project.entity.js';
import { TargetingRow, type Targeting } from './entities/targeting.entity.js';
import { createEnvironmentRow } from './environments.js';
import { saveEnvironment } from './environment-writes.js';
import { refuseProblems } from './errors.js';
import type { ExportedCohort, ExportedFlag, ProjectExport } from './exports.js';
import { exportedFlag } from './exports.js';
import { createFlag } from './flags.js';
import { archiveFlag, restoreFlag, saveDefinition } from './flag-writes.js';
import { importProblems, type Present } from './import-problems.js';
import { DEFAULT_LIMITS, type Limits } from './limits.js';
import { lockEnvironments } from './locate.js';
import { patternsOf, type PatternCheck } from './pattern-check.js';
import { createProjectRow } from './projects.js';
import { saveProject } from './project-writes.js';
import type { Scope } from './scope.js';
import { cohortsNamedBy, memberless } from './surroundings.js';
import { placedFlags, replaceTargetings } from './targeting-bulk.js';
import { rehearse, write, type Tx } from './transaction.js';

/** What an import made and changed, by key. What the document does not name is left alone. */
export type Imported = {
  readonly project: string;
  readonly created: Counts;
  readonly updated: Counts;
};
type Counts = { environments: number; cohorts: number; flags: number; targetings: number };

/** Writes whole projects. */
export class ImportStore {
  constructor(
    private readonly dataSource: DataSource,
    private readonly limits: Limits = DEFAULT_LIMITS,
    private readonly patterns?: PatternCheck,
  ) {}

  /**
   * Makes the project what the document says, all of it or nothing; one that is missing is made. Nothing is ever deleted.
   * @throws DomainError `invalid`, with every problem of every document
   */
  async import(
    by: Actor,
    key: string,
    document: ProjectExport,
    { dryRun = false }: { readonly dryRun?: boolean | undefined } = {},
  ): Promise<Imported> {
    const rules = [
      ...document.cohorts.map((each) => each.rules),
      ...document.flags.flatMap(({ targeting }) => Object.values(targeting).map((each) => each.rules)),
    ];
    const unsafe = await this.patterns?.problems(rules.flatMap((each) => patternsOf(each)));
    return (dryRun ? rehearse : write)(this.dataSource, by, async (tx) => {
      const created = counts();
      const updated = counts();
      const owner = await projectOf(tx, by, key, document);
      const present = await presentIn(tx, owner);
      refuseProblems(importProblems(document, present, this.limits, unsafe ?? new Map()));
      await importEnvironments(tx, by, owner, document, created, updated);
      const scope: Scope = { owner, environments: await lockEnvironments(tx, owner) };
      for (const cohort of byReference(document.cohorts)) await importCohort(tx, by, scope, cohort, created, updated);
      for (const flag of document.flags) await importDefinition(tx, by, scope, flag, this.limits, created, updated);
      await importTargetings(tx, by, scope, document, this.limits, updated);
      for (const { key: flag, archived } of document.flags.filter((each) => each.archived)) {
        const row = await tx.findOneByOrFail(FlagRow, { projectId: owner.id, key: flag });
        if (archived) await archiveFlag(tx, by, scope, row);
      }
      return { project: owner.key, created, updated };
    });
  }
}

const counts = (): Counts => ({ environments: 0, cohorts: 0, flags: 0, targetings: 0 });

async function projectOf(tx: Tx, by: Actor, key: string, { project }: ProjectExport): Promise<ProjectRow> {
  const row = await tx.findOne(ProjectRow, { where: { key }, lock: { mode: 'for_no_key_update' } });
  const { name, description } = project;
  if (row === null) return createProjectRow(tx, by, { key, name, description });
  await saveProject(tx, by, row, { ...row, name, description });
  return row;
}

async function presentIn(tx: Tx, owner: ProjectRow): Promise<Present> {
  const environments = await lockEnvironments(tx, owner);
  const cohorts = await tx.find(CohortRow, { where: { projectId: owner.id } });
  const types = await tx.find(FlagRow, { where: { projectId: owner.id } });
  const flags = new Map<string, Record<string, Flag>>();
  for (const { id, key } of environments) {
    const placed = [...(await placedFlags(tx, id)).values()];
    flags.set(key, Object.fromEntries(placed.map((row) => [row.key, joinFlag(row, row.document)])));
  }
  return {
    environments: environments.map(({ key }) => key),
    types: new Map(types.map(({ key, type }) => [key, type])),
    cohorts: Object.fromEntries(cohorts.map((row): [string, Cohort] => [row.key, memberless(row)])),
    flags,
  };
}

async function importEnvironments(
  tx: Tx,
  by: Actor,
  owner: ProjectRow,
  { environments }: ProjectExport,
  created: Counts,
  updated: Counts,
): Promise<void> {
  const rows = new Map((await lockEnvironments(tx, owner)).map((row) => [row.key, row]));
  for (const { key, ...fields } of environments) {
    const row = rows.get(key);
    if (row === undefined) {
      await createEnvironmentRow(tx, by, owner, { key, ...fields });
      created.environments += 1;
    } else if ((await saveEnvironment(tx, by, owner, row, { ...row, ...fields })).version !== row.version) {
      updated.environments += 1;
    }
  }
}

/** Cohorts that others name come first; the documents are valid, so there are no circles. */
function byReference(cohorts: readonly ExportedCohort[]): ExportedCohort[] {
  const waiting = new Map(cohorts.map((each) => [each.key, each]));
  const ordered: ExportedCohort[] = [];
  const take = (cohort: ExportedCohort): void => {
    if (!waiting.delete(cohort.key)) return;
    for (const key of cohortsNamedBy(cohort)) {
      const named = waiting.get(key);
      if (named !== undefined) take(named);
    }
    ordered.push(cohort);
  };
  for (const cohort of cohorts) take(cohort);
  return ordered;
}

async function importCohort(
  tx: Tx,
  by: Actor,
  scope: Scope,
  cohort: ExportedCohort,
  created: Counts,
  updated: Counts,
): Promise<void> {
  const row = await tx.findOne(CohortRow, { where: { projectId: scope.owner.id, key: cohort.key } });
  if (row === null) {
    await createCohort(tx, by, scope.owner, cohort);
    created.cohorts += 1;
    return;
  }
  const { name, description, rules } = cohort;
  const attribute = cohort.attribute === 'targetingKey' ? null : cohort.attribute;
  const edited = { ...row, name, description, attribute, rules: [...rules], cohorts: cohortsNamedBy(cohort) };
  const batches = [
    await replacingBatch(tx, row.id, 'included', cohort.included),
    await replacingBatch(tx, row.id, 'excluded', cohort.excluded),
  ].filter(({ add, remove }) => add.length + remove.length > 0);
  if ((await saveCohort(tx, by, scope, row, edited, batches)) !== undefined) updated.cohorts += 1;
}

async function importDefinition(
  tx: Tx,
  by: Actor,
  scope: Scope,
  flag: ExportedFlag,
  limits: Limits,
  created: Counts,
  updated: Counts,
): Promise<void> {
  const { key, name, description, variants, variantInfo, defaultVariant, tags, permanent, owner, metadata } = flag;
  const values = { name, description, defaultVariant, tags: [...tags], permanent, owner };
  const documents = { variants: { ...variants }, variantInfo: { ...variantInfo }, metadata: { ...metadata } };
  const row = await tx.findOne(FlagRow, { where: { projectId: scope.owner.id, key } });
  if (row === null) {
    await createFlag(tx, by, scope, { ...flag, ...documents });
    created.flags += 1;
    return;
  }
  if (row.archivedAt !== null) {
    if (await isAsExported(tx, scope, row, flag)) return;
    await restoreFlag(tx, by, scope, row, { asItWas: true });
  }
  const live = await tx.findOneByOrFail(FlagRow, { id: row.id });
  const saved = await saveDefinition(tx, by, scope, live, { ...live, ...values, ...documents }, limits);
  if (saved.version !== row.version) updated.flags += 1;
}

async function isAsExported(tx: Tx, { environments }: Scope, row: FlagRow, flag: ExportedFlag): Promise<boolean> {
  const { targeting, ...definition } = flag;
  if (!isDeepStrictEqual(exportedFlag(row), definition)) return false;
  const rows = await tx.find(TargetingRow, { where: { flagId: row.id } });
  return environments.every(({ id, key }) => {
    const document = rows.find(({ environmentId }) => environmentId === id)?.document;
    return !Object.hasOwn(targeting, key) || isDeepStrictEqual(document, targeting[key]);
  });
}

async function importTargetings(
  tx: Tx,
  by: Actor,
  { owner, environments }: Scope,
  { flags }: ProjectExport,
  limits: Limits,
  updated: Counts,
): Promise<void> {
  for (const environment of environments) {
    const placed = await placedFlags(tx, environment.id);
    const next = new Map<string, Targeting>();
    for (const { key, targeting } of flags) {
      const wanted = Object.hasOwn(targeting, environment.key) ? targeting[environment.key] : undefined;
      const row = placed.get(key);
      if (wanted !== undefined && row !== undefined && !isDeepStrictEqual(row.document, wanted)) next.set(key, wanted);
    }
    if (next.size === 0) continue;
    await replaceTargetings(tx, by, owner, environment, placed, next, limits, { action: 'environment.imported' });
    updated.targetings += next.size;
  }
}
