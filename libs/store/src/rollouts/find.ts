import { EnvironmentRow } from '../entities/environment.entity.js';
import { FlagRow } from '../entities/flag.entity.js';
import { ProjectRow } from '../entities/project.entity.js';
import { RolloutRow } from '../entities/rollout.entity.js';
import { TargetingRow } from '../entities/targeting.entity.js';
import { notFound } from '../errors.js';
import { findEnvironment, findProject } from '../locate.js';
import type { Located } from '../targeting-change.js';
import { seenOf } from '../telemetry/instances.js';
import type { Tx } from '../transaction.js';
import { rolloutDocument, type RolloutDocument } from './document.js';

/** Where rollouts are. */
export type EnvironmentRef = { readonly project: string; readonly environment: string };

/** A rollout by its id, or by `key:` and the external key that the client chose. */
export type RolloutRef = { readonly project: string; readonly environment: string; readonly rollout: string };

const BY_KEY = 'key:';
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Finds a rollout; `lock` holds its row, which is to be done before anything else is locked. @throws DomainError `not_found` */
export async function findRollout(tx: Tx, ref: RolloutRef, lock = false): Promise<RolloutRow> {
  const owner = await findProject(tx, ref.project);
  const environment = await findEnvironment(tx, owner, ref.environment);
  const isKey = ref.rollout.startsWith(BY_KEY);
  if (!isKey && !UUID.test(ref.rollout)) throw notFound('rollout', ref.rollout);
  const named = isKey ? { externalKey: ref.rollout.slice(BY_KEY.length) } : { id: ref.rollout.toLowerCase() };
  const row = await tx.findOne(RolloutRow, {
    where: { environmentId: environment.id, ...named },
    ...(lock ? { lock: { mode: 'pessimistic_write' as const } } : {}),
  });
  if (row === null) throw notFound('rollout', ref.rollout);
  return row;
}

/** Where a rollout is. With `lock` its environment is locked; the rollout must be locked already. */
export async function placeOfRollout(tx: Tx, rollout: RolloutRow, lock = false): Promise<Located> {
  const { projectId, environmentId, flagId } = rollout;
  const environment = await tx.findOneOrFail(EnvironmentRow, {
    where: { id: environmentId },
    ...(lock ? { lock: { mode: 'for_no_key_update' as const } } : {}),
  });
  const owner = await tx.findOneByOrFail(ProjectRow, { id: projectId });
  const flag = await tx.findOneByOrFail(FlagRow, { id: flagId });
  const row = await tx.findOneByOrFail(TargetingRow, { flagId, environmentId });
  return { owner, environment, flag, row };
}

/** The rollout as the API shows it, with who serves it. */
export const showRollout = async (tx: Tx, row: RolloutRow): Promise<RolloutDocument> => ({
  ...rolloutDocument(row, await placeOfRollout(tx, row)),
  seen: await seenOf(tx, row),
});
