import type { DataSource } from 'typeorm';
import type { Actor } from './actor.js';
import { ChangeStore, revertOf, type ChangeDocument } from './changes.js';
import type { ChangeRow } from './entities/change.entity.js';
import type { Targeting } from './entities/targeting.entity.js';
import { DomainError } from './errors.js';
import { DEFAULT_LIMITS, type Limits } from './limits.js';
import { laterChanges, summaryOf, type LaterChange } from './later-changes.js';
import { undoCohort, undoMembersOf } from './revert-cohorts.js';
import { undoEnvironment, undoFlag, undoProject } from './revert-documents.js';
import { notRevertable, wayInstead } from './no-way-back.js';
import { undoPlan } from './revert-plans.js';
import { undoWebhook } from './revert-webhooks.js';
import { changesOnlyMarks } from './rollouts/rule.js';
import type { TargetingStore } from './targetings.js';
import { revokeToken } from './tokens.js';
import { rehearse, write } from './transaction.js';
import { logged, type Undoing } from './undoing.js';
import { nothingLeft } from './undo.js';

/** What a store refuses when what was before cannot be now. */
const IN_THE_WAY = new Set([
  'invalid',
  'referenced',
  'archived',
  'not_archived',
  'not_found',
  'key_taken',
  'limit_reached',
  'revert_conflict',
]);

/** Undoes changes, each by a new one. */
export class RevertStore {
  readonly #changes: ChangeStore;

  constructor(
    private readonly dataSource: DataSource,
    private readonly targetings: TargetingStore,
    private readonly limits: Limits = DEFAULT_LIMITS,
  ) {
    this.#changes = new ChangeStore(dataSource);
  }

  /**
   * Takes back what one change did and answers the change that did so; what others did beside it stays.
   * @throws DomainError `revert_conflict`, naming the later changes that are in the way; `not_revertable` for what has no way back
   */
  async revert(
    by: Actor,
    id: string,
    { project, dryRun = false }: { readonly project?: string | undefined; readonly dryRun?: boolean | undefined } = {},
  ): Promise<ChangeDocument> {
    const change = await this.#changes.row(id, project);
    try {
      return await (dryRun ? rehearse : write)(this.dataSource, by, async (tx) => {
        await this.#undo({ tx, by, change, limits: this.limits });
        return revertOf(tx, id);
      });
    } catch (error) {
      throw error instanceof DomainError && IN_THE_WAY.has(error.code) ? await this.#explained(error, change) : error;
    }
  }

  async #undo(undoing: Undoing): Promise<void> {
    const { tx, by, change } = undoing;
    const instead = wayInstead(change);
    if (instead !== undefined) throw notRevertable(change, instead);
    switch (change.subjectType) {
      case 'project':
        return undoProject(undoing);
      case 'environment':
        return undoEnvironment(undoing);
      case 'flag':
        return undoFlag(undoing);
      case 'cohort':
        return undoCohort(undoing);
      case 'members':
        return undoMembersOf(undoing);
      case 'targeting':
        return this.#undoTargeting(undoing);
      case 'rollout-plan':
        return undoPlan(undoing);
      case 'token':
        if (!(await revokeToken(tx, by, change.subjectKey, { reverts: change.id }))) throw nothingLeft();
        return;
      case 'webhook':
        return undoWebhook(undoing);
      default:
        throw notRevertable(change, 'nothing is known of undoing it');
    }
  }

  async #undoTargeting({ tx, by, change }: Undoing): Promise<void> {
    const { projectKey, environmentKey, subjectKey } = change;
    const ref = { project: projectKey ?? '', environment: environmentKey ?? '', flag: subjectKey };
    if (changesOnlyMarks(logged(change.before), logged(change.after)))
      throw notRevertable(change, 'it changed nothing but what a rollout measures');
    const documents = { before: logged<Targeting>(change.before), after: logged<Targeting>(change.after) };
    await this.targetings.undo(tx, by, ref, documents, { reverts: change.id });
  }

  /** Says which later changes are in the way: of the same thing, and of what it names. */
  async #explained(error: DomainError, change: ChangeRow): Promise<DomainError> {
    const changes: readonly LaterChange[] =
      error.code === 'revert_conflict' && error.details['changes'] !== undefined
        ? []
        : await laterChanges(this.dataSource.manager, change);
    const why = error.code === 'revert_conflict' ? error.message : `What was before cannot be now: ${error.message}`;
    return new DomainError(
      'revert_conflict',
      `Change ${change.id} (${change.action}) is not undone. ${why}${summaryOf(changes)}`,
      { changes, reason: error.code, ...error.details },
      { cause: error },
    );
  }
}
