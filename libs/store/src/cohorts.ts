import { validateCohort, validateMembers, type Cohort, type CohortRule, type Problem } from '@fledge/evaluation';
import type { DataSource } from 'typeorm';
import type { Actor } from './actor.js';
import { appendChange } from './change-log.js';
import {
  applyBatch,
  countMembers,
  countMembersOf,
  effectiveBatch,
  replacingBatch,
  type MemberBatch,
  type MemberCounts,
  type MemberList,
} from './cohort-members.js';
import { deleteCohort, saveCohort, saveMembers } from './cohort-writes.js';
import { cohortDocument, type CohortDocument } from './documents.js';
import { CohortRow } from './entities/cohort.entity.js';
import type { ProjectRow } from './entities/project.entity.js';
import { keyTaken, notFound, refuseProblems } from './errors.js';
import { DEFAULT_LIMITS, refuseBeyond, type Limits } from './limits.js';
import { findProject, refuseStale, type Expected } from './locate.js';
import { patternsOf, type PatternCheck } from './pattern-check.js';
import { containing, slice, toPage, type Page, type PageQuery } from './page.js';
import { lockScope, type Scope } from './scope.js';
import { cohortsNamedBy, reachableCohortDocuments } from './surroundings.js';
import { read, write, type Tx } from './transaction.js';

/** A whole cohort as a client sends it. Lists that are left out of a PUT stay as they are. */
export type CohortInput = {
  readonly key: string;
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  readonly attribute?: string | undefined;
  readonly rules?: readonly CohortRule[] | undefined;
  readonly included?: readonly string[] | undefined;
  readonly excluded?: readonly string[] | undefined;
};

export type MembersAnswer = CohortDocument & { readonly added: number; readonly removed: number };
export type Member = { readonly unit: string; readonly list: MemberList };

const SORTS = {
  key: { expression: 'cohort.key', type: 'text' },
  name: { expression: 'cohort.name', type: 'text' },
  createdAt: { expression: 'cohort.created_at', type: 'timestamptz' },
  updatedAt: { expression: 'cohort.updated_at', type: 'timestamptz' },
} as const;

const MEMBER_SORTS = { added: { expression: 'cohort_member.id', type: 'bigint' } } as const;

/** Cohorts of a project: named sets of units that the rules of any flag may name. */
export class CohortStore {
  constructor(
    private readonly dataSource: DataSource,
    private readonly limits: Limits = DEFAULT_LIMITS,
    private readonly patterns?: PatternCheck,
  ) {}

  async list(project: string, query: PageQuery & { readonly q?: string | undefined }): Promise<Page<CohortDocument>> {
    const part = slice(query, SORTS, 'key', { expression: 'cohort.id', type: 'bigint' }, 4);
    return read(async () => {
      const { manager } = this.dataSource;
      const owner = await findProject(manager, project);
      const rows = await this.dataSource.query<(CohortRow & { cursorValue: string })[]>(
        `SELECT id, key, name, description, attribute, rules, version, created_at AS "createdAt", updated_at AS "updatedAt",
                ${part.cursorValue} AS "cursorValue"
         FROM cohort WHERE project_id = $1 AND ($2::text IS NULL OR key ILIKE $2 OR name ILIKE $2) AND ${part.where}
         ORDER BY ${part.orderBy} LIMIT $3`,
        [owner.id, query.q === undefined ? null : containing(query.q), query.limit + 1, ...part.parameters],
      );
      const counts = await countMembersOf(
        manager,
        rows.map(({ id }) => id),
      );
      return toPage(rows, query.limit, part.sort, (row) => cohortDocument(row, owner.key, counts.get(row.id) ?? NONE));
    });
  }

  async get(project: string, key: string): Promise<CohortDocument> {
    return read(async () => {
      const { manager } = this.dataSource;
      const owner = await findProject(manager, project);
      const row = await findCohort(manager, owner, key);
      return cohortDocument(row, owner.key, await countMembers(manager, row.id));
    });
  }

  /** The members in the order in which they were added. */
  async members(
    project: string,
    key: string,
    query: PageQuery & { readonly q?: string | undefined; readonly list?: MemberList | undefined },
  ): Promise<Page<Member>> {
    const part = slice(query, MEMBER_SORTS, 'added', { expression: 'cohort_member.id', type: 'bigint' }, 5);
    return read(async () => {
      const owner = await findProject(this.dataSource.manager, project);
      const cohort = await findCohort(this.dataSource.manager, owner, key);
      const rows = await this.dataSource.query<(Member & { id: string; cursorValue: string })[]>(
        `SELECT id, unit, list, ${part.cursorValue} AS "cursorValue" FROM cohort_member
         WHERE cohort_id = $1 AND removed_by IS NULL AND ($2::text IS NULL OR unit ILIKE $2) AND ($3::text IS NULL OR list = $3) AND ${part.where}
         ORDER BY ${part.orderBy} LIMIT $4`,
        [
          cohort.id,
          query.q === undefined ? null : containing(query.q),
          query.list ?? null,
          query.limit + 1,
          ...part.parameters,
        ],
      );
      return toPage(rows, query.limit, part.sort, ({ unit, list }) => ({ unit, list }));
    });
  }

  /** Makes a cohort. No environment changes: nothing names it yet. @throws DomainError `key_taken`, `invalid`, `limit_reached` */
  async create(by: Actor, project: string, input: CohortInput): Promise<CohortDocument> {
    const unsafe = await this.patterns?.problems(patternsOf(input.rules));
    return write(this.dataSource, by, async (tx) => {
      const owner = await findProject(tx, project, true);
      refuseBeyond(this.limits, 'cohortsPerProject', await tx.count(CohortRow, { where: { projectId: owner.id } }));
      const warnings = await validateInput(tx, owner, input, this.limits, unsafe);
      return { ...(await createCohort(tx, by, owner, input)), warnings };
    });
  }

  /** Replaces the document, and the lists that the request brings. @throws DomainError `version_stale`, `invalid` */
  async replace(
    by: Actor,
    project: string,
    key: string,
    input: CohortInput,
    expected: Expected,
  ): Promise<CohortDocument> {
    const unsafe = await this.patterns?.problems(patternsOf(input.rules));
    return write(this.dataSource, by, async (tx) => {
      const { scope, row } = await lockCohort(tx, project, key);
      refuseStale(row.version, expected);
      const warnings = await validateInput(tx, scope.owner, await completed(tx, row.id, input), this.limits, unsafe);
      const batches = await replacingBatches(tx, row.id, input);
      const saved = await saveCohort(tx, by, scope, row, applyInput(row, input), batches);
      return { ...(saved ?? cohortDocument(row, scope.owner.key, await countMembers(tx, row.id))), warnings };
    });
  }

  /** Adds and removes members in one batch; sends SDKs only those. */
  async changeMembers(
    by: Actor,
    project: string,
    key: string,
    wanted: MemberBatch,
    expected?: Expected,
  ): Promise<MembersAnswer> {
    refuseProblems(validateMembers(wanted.add, wanted.remove));
    return write(this.dataSource, by, async (tx) => {
      const { scope, row } = await lockCohort(tx, project, key);
      refuseStale(row.version, expected);
      const batch = await effectiveBatch(tx, this.limits, row.id, wanted);
      const moved = { added: batch.add.length, removed: batch.remove.length };
      if (moved.added + moved.removed > 0) return { ...(await saveMembers(tx, by, scope, row, batch)), ...moved };
      return { ...cohortDocument(row, scope.owner.key, await countMembers(tx, row.id)), ...moved };
    });
  }

  /** @throws DomainError `referenced` while any flag, archived or not, or any cohort names it */
  async delete(by: Actor, project: string, key: string, expected?: Expected): Promise<void> {
    await write(this.dataSource, by, async (tx) => {
      const { scope, row } = await lockCohort(tx, project, key);
      refuseStale(row.version, expected);
      await deleteCohort(tx, by, scope.owner, row);
    });
  }
}

/** @throws DomainError `invalid`, with every problem of the document */
export async function validateInput(
  tx: Tx,
  owner: ProjectRow,
  input: CohortInput,
  limits: Limits,
  unsafe: ReadonlyMap<string, string> = new Map(),
): Promise<readonly Problem[]> {
  const cohort: Cohort = {
    key: input.key,
    ...(input.attribute === undefined ? {} : { attribute: input.attribute }),
    // Only what is left out is empty: null is for the validator to refuse.
    included: input.included === undefined ? [] : input.included,
    excluded: input.excluded === undefined ? [] : input.excluded,
    rules: input.rules === undefined ? [] : input.rules,
  };
  const cohorts = await reachableCohortDocuments(tx, owner.id, cohortsNamedBy(cohort));
  const { problems, warnings } = validateCohort(cohort, { flags: {}, cohorts }, limits, (pattern) =>
    unsafe.get(pattern),
  );
  refuseProblems(problems);
  return warnings;
}

/** Makes a valid cohort with its members, in the caller's transaction, which holds the project's lock. @throws DomainError `key_taken` */
export async function createCohort(tx: Tx, by: Actor, owner: ProjectRow, input: CohortInput): Promise<CohortDocument> {
  const row = await insertCohort(tx, owner, input);
  const members = { included: new Set(input.included).size, excluded: new Set(input.excluded).size };
  const after = cohortDocument(row, owner.key, members);
  const subject = { type: 'cohort', key: row.key } as const;
  const change = await appendChange(tx, by, { action: 'cohort.created', project: owner, subject, before: null, after });
  await applyBatch(tx, row.id, change, { list: 'included', add: [...new Set(input.included)], remove: [] });
  await applyBatch(tx, row.id, change, { list: 'excluded', add: [...new Set(input.excluded)], remove: [] });
  return after;
}

const NONE: MemberCounts = { included: 0, excluded: 0 };

export async function findCohort(tx: Tx, owner: ProjectRow, key: string): Promise<CohortRow> {
  const row = await tx.findOne(CohortRow, { where: { projectId: owner.id, key } });
  if (row === null) throw notFound('cohort', key);
  return row;
}

async function lockCohort(tx: Tx, project: string, key: string): Promise<{ scope: Scope; row: CohortRow }> {
  const scope = await lockScope(tx, project);
  return { scope, row: await findCohort(tx, scope.owner, key) };
}

async function insertCohort(tx: Tx, owner: ProjectRow, input: CohortInput): Promise<CohortRow> {
  const row = tx.create(CohortRow, { projectId: owner.id, key: input.key });
  try {
    return await tx.save(Object.assign(row, applyInput(row, input)));
  } catch (error) {
    throw keyTaken(error, 'cohort', input.key);
  }
}

/** The row after the edit; nothing is saved. */
export function applyInput(row: CohortRow, input: CohortInput): CohortRow {
  const rules = [...(input.rules ?? [])];
  const attribute = input.attribute === undefined || input.attribute === 'targetingKey' ? null : input.attribute;
  return {
    ...row,
    name: input.name ?? row.key,
    description: input.description ?? '',
    attribute,
    rules,
    cohorts: cohortsNamedBy({ rules }),
  };
}

/** The input with the lists it leaves out, so that a unit in both lists is found whichever list the request brings. */
async function completed(tx: Tx, cohortId: number, input: CohortInput): Promise<CohortInput> {
  if ((input.included === undefined) === (input.excluded === undefined)) return input;
  const list: MemberList = input.included === undefined ? 'included' : 'excluded';
  const rows = await tx.query<{ unit: string }[]>(
    `SELECT unit FROM cohort_member WHERE cohort_id = $1 AND list = $2 AND removed_by IS NULL`,
    [cohortId, list],
  );
  return { ...input, [list]: rows.map(({ unit }) => unit) };
}

async function replacingBatches(tx: Tx, cohortId: number, input: CohortInput): Promise<MemberBatch[]> {
  const batches: MemberBatch[] = [];
  if (input.included !== undefined) batches.push(await replacingBatch(tx, cohortId, 'included', input.included));
  if (input.excluded !== undefined) batches.push(await replacingBatch(tx, cohortId, 'excluded', input.excluded));
  return batches.filter(({ add, remove }) => add.length + remove.length > 0);
}
