import { validateFlag, type Cohort, type Problem } from '@fledge/evaluation';
import type { Actor } from './actor.js';
import { appendChange } from './change-log.js';
import { joinFlag } from './documents.js';
import { CohortRow } from './entities/cohort.entity.js';
import type { EnvironmentRow } from './entities/environment.entity.js';
import type { FlagRow } from './entities/flag.entity.js';
import type { ProjectRow } from './entities/project.entity.js';
import type { Targeting } from './entities/targeting.entity.js';
import { refuseProblems } from './errors.js';
import type { Limits } from './limits.js';
import { reachedCohorts, reachPatch } from './reach.js';
import { lockLiveRollouts, refuseLocked } from './rollouts/live.js';
import { withMarksOf } from './rollouts/rule.js';
import type { Cause } from './scope.js';
import { memberless } from './surroundings.js';
import { updateTargetings } from './targeting-rows.js';
import type { Tx } from './transaction.js';

/** A flag that is not archived, with what an environment says about it. */
export type Placed = Pick<FlagRow, 'id' | 'key' | 'type' | 'variants' | 'metadata'> & { readonly document: Targeting };

/** Every flag of an environment that is not archived, by key. */
export async function placedFlags(tx: Tx, environmentId: number): Promise<Map<string, Placed>> {
  const rows = await tx.query<Placed[]>(
    `SELECT flag.id, flag.key, flag.type, flag.variants, flag.metadata, targeting.document
     FROM targeting JOIN flag ON flag.id = targeting.flag_id
     WHERE targeting.environment_id = $1 AND flag.archived_at IS NULL ORDER BY flag.key`,
    [environmentId],
  );
  return new Map(rows.map((row) => [row.key, row]));
}

/**
 * Replaces the targeting of several flags at once, as one change and one new version: each is judged against what all of them are
 * afterwards. The environment must be locked. @throws DomainError `rollout_live`;
 * `invalid`, with every problem of every flag
 */
export async function replaceTargetings(
  tx: Tx,
  by: Actor,
  owner: ProjectRow,
  environment: EnvironmentRow,
  placed: ReadonlyMap<string, Placed>,
  wanted: ReadonlyMap<string, Targeting>,
  limits: Limits,
  { action, reverts }: Cause & { readonly action: string },
): Promise<readonly Problem[]> {
  const next = new Map(
    [...wanted].map(([key, document]) => [key, withMarksOf(placedFlag(placed, key).document, document)]),
  );
  const flagIds = new Set([...next.keys()].map((key) => placedFlag(placed, key).id));
  for (const rollout of await lockLiveRollouts(tx, { environmentId: environment.id }, false))
    refuseLocked(flagIds.has(rollout.flagId) ? rollout : undefined, false);
  const joined = Object.fromEntries(
    [...placed.values()].map((row) => [row.key, joinFlag(row, next.get(row.key) ?? row.document)]),
  );
  const changed = [...placed.values()].flatMap((row) => {
    const document = next.get(row.key);
    return document === undefined ? [] : [{ ...row, flagId: row.id, document, before: row.document }];
  });
  const cohorts = await tx.find(CohortRow, { where: { projectId: owner.id } });
  const surroundings = {
    flags: joined,
    cohorts: Object.fromEntries(cohorts.map((row): [string, Cohort] => [row.key, memberless(row)])),
  };
  const judged = changed.map(({ key }) => {
    const { problems, warnings } = validateFlag(joined[key], surroundings, limits);
    const at = ({ pointer, ...rest }: Problem): Problem => ({ ...rest, pointer: `/flags/${key}${pointer}` });
    return { problems: problems.map(at), warnings: warnings.map(at) };
  });
  refuseProblems(judged.flatMap(({ problems }) => problems));
  const reach = await reachedCohorts(tx, owner.id, environment.id);
  await updateTargetings(tx, environment.id, environment.snapshotVersion + 1, changed);
  const patch = {
    flags: Object.fromEntries(changed.map(({ key, document }) => [key, joinFlag(placedFlag(placed, key), document)])),
    ...reachPatch(reach, await reachedCohorts(tx, owner.id, environment.id)),
  };
  const subject = { type: 'environment', key: environment.key } as const;
  const before = { flags: Object.fromEntries(changed.map((each) => [each.key, each.before])) };
  const after = { flags: Object.fromEntries(changed.map(({ key, document }) => [key, document])) };
  const record = { action, project: owner, subject, environment: environment.key, before, after, reverts };
  await appendChange(tx, by, record, [{ environment, patch }]);
  return judged.flatMap(({ warnings }) => warnings);
}

function placedFlag(placed: ReadonlyMap<string, Placed>, key: string): Placed {
  const row = placed.get(key);
  if (row === undefined) throw new Error(`The flag ${key} is not in the environment.`);
  return row;
}
