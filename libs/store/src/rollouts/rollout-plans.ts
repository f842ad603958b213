import { isDeepStrictEqual } from 'node:util';
import { completePlan, isTemplateName, TEMPLATES, validatePlan, type Plan, type PlanDocument } from '@fledge/canary';
import type { Problem } from '@fledge/evaluation';
import type { DataSource } from 'typeorm';
import type { Actor } from '../actor.js';
import { appendChange } from '../change-log.js';
import { iso } from '../documents.js';
import type { ProjectRow } from '../entities/project.entity.js';
import { RolloutPlanRow } from '../entities/rollout-plan.entity.js';
import { DomainError, keyTaken, notFound, refuseProblems } from '../errors.js';
import { findProject, refuseStale, type Expected } from '../locate.js';
import { slice, toPage, type Page, type PageQuery } from '../page.js';
import { read, updateRow, write, type Tx } from '../transaction.js';

/** A plan with a name. */
export type RolloutPlanDocument = {
  readonly key: string;
  readonly project: string;
  readonly name: string;
  readonly description: string;
  readonly plan: Plan;
  readonly version: number;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly warnings?: readonly Problem[];
};

export type RolloutPlanInput = {
  readonly key: string;
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  readonly plan: unknown;
};

const SORTS = {
  key: { expression: 'rollout_plan.key', type: 'text' },
  updatedAt: { expression: 'rollout_plan.updated_at', type: 'timestamptz' },
} as const;

/** A project's own plans. What runs has a copy, so that later edits touch nothing that runs. */
export class RolloutPlanStore {
  constructor(private readonly dataSource: DataSource) {}

  async list(project: string, query: PageQuery): Promise<Page<RolloutPlanDocument>> {
    const part = slice(query, SORTS, 'key', { expression: 'rollout_plan.id', type: 'bigint' }, 3);
    return read(async () => {
      const owner = await findProject(this.dataSource.manager, project);
      const rows = await this.dataSource.query<(RolloutPlanRow & { cursorValue: string })[]>(
        `SELECT id, key, name, description, document, version, created_at AS "createdAt", updated_at AS "updatedAt",
                ${part.cursorValue} AS "cursorValue"
         FROM rollout_plan WHERE project_id = $1 AND ${part.where} ORDER BY ${part.orderBy} LIMIT $2`,
        [owner.id, query.limit + 1, ...part.parameters],
      );
      return toPage(rows, query.limit, part.sort, (row) => planDocument(row, owner));
    });
  }

  async get(project: string, key: string): Promise<RolloutPlanDocument> {
    return read(async () => {
      const owner = await findProject(this.dataSource.manager, project);
      return planDocument(await findPlan(this.dataSource.manager, owner, key), owner);
    });
  }

  /** @throws DomainError `key_taken`, also for the name of a plan that is always there; `invalid` */
  async create(by: Actor, project: string, input: RolloutPlanInput): Promise<RolloutPlanDocument> {
    const { plan, warnings } = readPlan(input.plan);
    return write(this.dataSource, by, async (tx) => {
      const owner = await findProject(tx, project, true);
      refuseTemplate(input.key);
      const row = await insertPlan(tx, owner, input, plan);
      const after = planDocument(row, owner);
      await log(tx, by, owner, 'rollout-plan.created', null, after);
      return { ...after, warnings };
    });
  }

  async replace(by: Actor, project: string, input: RolloutPlanInput, expected: Expected): Promise<RolloutPlanDocument> {
    const { plan, warnings } = readPlan(input.plan);
    return write(this.dataSource, by, async (tx) => {
      const owner = await findProject(tx, project, true);
      const row = await findPlan(tx, owner, input.key);
      refuseStale(row.version, expected);
      const before = planDocument(row, owner);
      const next = { name: input.name ?? row.key, description: input.description ?? '', document: plan };
      if (isDeepStrictEqual({ name: row.name, description: row.description, document: row.document }, next))
        return { ...before, warnings };
      const saved = { ...next, version: row.version + 1, updatedAt: new Date() };
      await updateRow(tx, RolloutPlanRow, { id: row.id }, saved);
      const after = planDocument({ ...row, ...saved }, owner);
      await log(tx, by, owner, 'rollout-plan.updated', before, after);
      return { ...after, warnings };
    });
  }

  async delete(by: Actor, project: string, key: string, expected?: Expected): Promise<void> {
    await write(this.dataSource, by, async (tx) => {
      const owner = await findProject(tx, project, true);
      const row = await findPlan(tx, owner, key);
      refuseStale(row.version, expected);
      await log(tx, by, owner, 'rollout-plan.deleted', planDocument(row, owner), null);
      await tx.delete(RolloutPlanRow, { id: row.id });
    });
  }
}

/** A plan, where it comes from, and what is legal in it but probably not meant. */
export type PlanAsked = { readonly key: string | null; readonly plan: Plan; readonly warnings: readonly Problem[] };

/** The plan that a start asks for: given inline, one of those that are always there, or one of the project's. */
export async function planFor(tx: Tx, owner: ProjectRow, asked: unknown): Promise<PlanAsked> {
  if (typeof asked !== 'string') return { key: null, ...readPlan(asked) };
  if (isTemplateName(asked)) return { key: asked, plan: completePlan(TEMPLATES[asked]), warnings: [] };
  const row = await tx.findOne(RolloutPlanRow, { where: { projectId: owner.id, key: asked } });
  if (row !== null) return { key: row.key, ...readPlan(row.document) };
  const message = `Expected ${Object.keys(TEMPLATES).join(', ')}, the key of a plan of this project, or a plan; got "${asked}".`;
  refuseProblems([{ pointer: '/plan', code: 'unknown_plan', message }]);
  throw new Error('unreachable');
}

/** Completes a plan as it was written. @throws DomainError `invalid` with every problem below /plan */
function readPlan(plan: unknown): Omit<PlanAsked, 'key'> {
  const { problems, warnings } = validatePlan(plan);
  const ofTheRequest = (problem: Problem): Problem => ({ ...problem, pointer: `/plan${problem.pointer}` });
  refuseProblems(problems.map(ofTheRequest));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a plan without problems is a plan
  return { plan: completePlan(plan as PlanDocument), warnings: warnings.map(ofTheRequest) };
}

function refuseTemplate(key: string): void {
  if (!isTemplateName(key.toLowerCase())) return;
  throw new DomainError('key_taken', `The plan "${key}" is always there; choose another key.`, {
    errors: [{ pointer: '/key', code: 'key_taken', message: 'Expected a key that no plan has.' }],
  });
}

async function insertPlan(tx: Tx, owner: ProjectRow, input: RolloutPlanInput, plan: Plan): Promise<RolloutPlanRow> {
  const row = tx.create(RolloutPlanRow, {
    projectId: owner.id,
    key: input.key,
    name: input.name ?? input.key,
    description: input.description ?? '',
  });
  row.document = plan;
  try {
    return await tx.save(row);
  } catch (error) {
    throw keyTaken(error, 'rollout plan', input.key);
  }
}

async function findPlan(tx: Tx, owner: ProjectRow, key: string): Promise<RolloutPlanRow> {
  const row = await tx.findOne(RolloutPlanRow, { where: { projectId: owner.id, key } });
  if (row === null) throw notFound('rollout plan', key);
  return row;
}

const log = (
  tx: Tx,
  by: Actor,
  owner: ProjectRow,
  action: string,
  before: RolloutPlanDocument | null,
  after: RolloutPlanDocument | null,
): Promise<string> =>
  appendChange(tx, by, {
    action,
    project: owner,
    subject: { type: 'rollout-plan', key: (after ?? before)?.key ?? '' },
    before,
    after,
  });

const planDocument = (row: RolloutPlanRow, owner: ProjectRow): RolloutPlanDocument => ({
  key: row.key,
  project: owner.key,
  name: row.name,
  description: row.description,
  plan: row.document,
  version: row.version,
  createdAt: iso(row.createdAt),
  updatedAt: iso(row.updatedAt),
});
