import { isDeepStrictEqual } from 'node:util';
import { validateFlag, type Problem, type Validation } from '@fledge/evaluation';
import type { Actor } from './actor.js';
import { appendChange } from './change-log.js';
import { joinFlag, targetingDocument, type TargetingDocument } from './documents.js';
import type { EnvironmentRow } from './entities/environment.entity.js';
import type { StoredPatch } from './entities/environment-change.entity.js';
import type { FlagRow } from './entities/flag.entity.js';
import type { ProjectRow } from './entities/project.entity.js';
import { TargetingRow, type Targeting } from './entities/targeting.entity.js';
import { notFound, refuseProblems } from './errors.js';
import type { Limits } from './limits.js';
import { findEnvironment, findFlag, findProject } from './locate.js';
import { reachedCohorts, reachPatch } from './reach.js';
import type { Cause } from './scope.js';
import { derivedOf, surroundingsOf, type Surroundings } from './surroundings.js';
import { updateRow, type Tx } from './transaction.js';

/** Which flag, and where. */
export type TargetingRef = { readonly project: string; readonly environment: string; readonly flag: string };

/** A flag in an environment, with everything it belongs to. */
export type Located = {
  readonly owner: ProjectRow;
  readonly environment: EnvironmentRow;
  readonly flag: FlagRow;
  readonly row: TargetingRow;
};

/** Finds a flag in an environment; `lock` holds the environment's row, after which nobody else changes it. */
export async function locate(tx: Tx, ref: TargetingRef, lock = false): Promise<Located> {
  const owner = await findProject(tx, ref.project);
  const environment = await findEnvironment(tx, owner, ref.environment, lock);
  const flag = await findFlag(tx, owner, ref.flag);
  const row = await tx.findOne(TargetingRow, { where: { flagId: flag.id, environmentId: environment.id } });
  if (row === null) throw notFound('flag', ref.flag);
  return { owner, environment, flag, row };
}

/** Why a pattern that the portable subset allows is refused all the same. */
export type UnsafePatterns = ReadonlyMap<string, string>;

/** Whether an edit does nothing but turn the flag off or take rules away. */
function onlyTakesAway(before: Targeting, after: Targeting): boolean {
  // A document that comes from outside may hold anything here.
  const left: ReadonlySet<unknown> = new Set(Array.isArray(after.rules) ? after.rules : []);
  const rules = before.rules.filter((rule) => left.has(rule));
  const said: unknown = after.enabled;
  const enabled = before.enabled && said !== false;
  return isDeepStrictEqual({ ...before, enabled, rules }, after);
}

/** Every problem and warning of a targeting document. Whatever else is wrong, turning off and taking back are never a problem. */
export async function judgeTargeting(
  tx: Tx,
  { environment, flag, row }: Located,
  after: Targeting,
  limits: Limits,
  unsafe: UnsafePatterns = new Map(),
): Promise<Validation & { readonly surroundings: Surroundings }> {
  const joined = joinFlag(flag, after);
  const surroundings = await surroundingsOf(tx, flag.projectId, environment.id, joined);
  const { problems, warnings } = validateFlag(joined, surroundings, limits, (pattern) => unsafe.get(pattern));
  return { problems: onlyTakesAway(row.document, after) ? [] : problems, warnings, surroundings };
}

/** The document as it now stands; not `changed`: it stood so already. */
export type ChangedTargeting = {
  readonly document: TargetingDocument;
  readonly changed: boolean;
  readonly warnings: readonly Problem[];
};

/**
 * Saves a targeting document with everything that belongs to it: validated, logged, sent to the SDKs. The environment's row must be
 * locked. A document that says what is said already is no change. @throws DomainError `invalid`
 */
export async function changeTargeting(
  tx: Tx,
  by: Actor,
  place: Located,
  { action, reverts }: Cause & { readonly action: string },
  after: Targeting,
  limits: Limits,
  unsafe?: UnsafePatterns,
): Promise<ChangedTargeting> {
  const { owner, environment, flag, row } = place;
  const { problems, warnings } = await judgeTargeting(tx, place, after, limits, unsafe);
  refuseProblems(problems);
  const before = targetingDocument(flag.key, environment.key, row.document, row.version, row.updatedAt);
  if (isDeepStrictEqual(row.document, after)) return { document: before, changed: false, warnings };
  const version = environment.snapshotVersion + 1;
  const updatedAt = new Date();
  const patch = await saveTargeting(tx, place, { document: after, version, updatedAt });
  const document = targetingDocument(flag.key, environment.key, after, version, updatedAt);
  await appendChange(
    tx,
    by,
    {
      action,
      project: owner,
      subject: { type: 'targeting', key: flag.key },
      environment: environment.key,
      before,
      after: document,
      reverts,
    },
    [{ environment, patch }],
  );
  return { document, changed: true, warnings };
}

/** Saves the document and answers what SDKs will see: the flag, and cohorts that came into reach or fell out of it. */
async function saveTargeting(
  tx: Tx,
  { owner, environment, flag, row }: Located,
  next: { document: Targeting; version: number; updatedAt: Date },
): Promise<StoredPatch> {
  const derived = derivedOf(next.document);
  const sameCohorts = isDeepStrictEqual(row.cohorts, derived.cohorts);
  const before = sameCohorts ? undefined : await reachedCohorts(tx, owner.id, environment.id);
  await updateRow(tx, TargetingRow, { flagId: flag.id, environmentId: environment.id }, { ...next, ...derived });
  // An archived flag, of which a watch may end, is in no snapshot.
  const flags = flag.archivedAt === null ? { [flag.key]: joinFlag(flag, next.document) } : {};
  if (before === undefined) return { flags };
  return { flags, ...reachPatch(before, await reachedCohorts(tx, owner.id, environment.id)) };
}
