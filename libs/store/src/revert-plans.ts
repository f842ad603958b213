import {
  createPlan,
  deletePlan,
  findPlan,
  planDocument,
  savePlan,
  type RolloutPlanDocument,
} from './rollouts/plan-writes.js';
import { logged, refuseLater, scopeOf, type Undoing } from './undoing.js';
import { undone } from './undo.js';

/** Undoes that a plan was made, edited or deleted. Rollouts have copies of theirs and notice nothing. */
export async function undoPlan(undoing: Undoing): Promise<void> {
  const { tx, by, change } = undoing;
  const cause = { reverts: change.id };
  const { owner } = await scopeOf(undoing);
  if (change.after === null) {
    await createPlan(tx, by, owner, logged<RolloutPlanDocument>(change.before), cause);
    return;
  }
  const row = await findPlan(tx, owner, change.subjectKey);
  if (change.before === null) {
    await refuseLater(undoing);
    await deletePlan(tx, by, owner, row, cause);
    return;
  }
  const before = logged<RolloutPlanDocument>(change.before);
  const { name, description, plan } = undone(before, logged(change.after), planDocument(row, owner));
  await savePlan(tx, by, owner, row, { name, description, document: plan }, cause);
}
