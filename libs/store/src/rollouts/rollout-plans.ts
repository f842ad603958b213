import { completePlan, isTemplateName, TEMPLATES, validatePlan, type Plan, type PlanDocument } from '@fledge/canary';
import type { Problem } from '@fledge/evaluation';
import type { DataSource } from 'typeorm';
import type { Actor } from '../actor.js';
import type { ProjectRow } from '../entities/project.entity.js';
import { RolloutPlanRow } from '../entities/rollout-plan.entity.js';
import { refuseProblems } from '../errors.js';
import { findProject, refuseStale, type Expected } from '../locate.js';
import { slice, toPage, type Page, type PageQuery } from '../page.js';
import { read, write, type Tx } from '../transaction.js';
import { createPlan, deletePlan, findPlan, planDocument, savePlan, type RolloutPlanDocument } from './plan-writes.js';

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
      const { key, name = key, description = '' } = input;
      return { ...(await createPlan(tx, by, owner, { key, name, description, plan })), warnings };
    });
  }

  async replace(by: Actor, project: string, input: RolloutPlanInput, expected: Expected): Promise<RolloutPlanDocument> {
    const { plan, warnings } = readPlan(input.plan);
    return write(this.dataSource, by, async (tx) => {
      const owner = await findProject(tx, project, true);
      const row = await findPlan(tx, owner, input.key);
      refuseStale(row.version, expected);
      const { name = row.key, description = '' } = input;
      return { ...(await savePlan(tx, by, owner, row, { name, description, document: plan })), warnings };
    });
  }

  async delete(by: Actor, project: string, key: string, expected?: Expected): Promise<void> {
    await write(this.dataSource, by, async (tx) => {
      const owner = await findProject(tx, project, true);
      const row = await findPlan(tx, owner, key);
      refuseStale(row.version, expected);
      await deletePlan(tx, by, owner, row);
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
