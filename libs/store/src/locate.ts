import type { EnvironmentRow } from './entities/environment.entity.js';
import { EnvironmentRow as Environment } from './entities/environment.entity.js';
import { FlagRow } from './entities/flag.entity.js';
import { ProjectRow } from './entities/project.entity.js';
import { DomainError, notFound } from './errors.js';
import type { Tx } from './transaction.js';

/**
 * Finding and locking, in the one order that everybody keeps: project, then environments by id, then what belongs to them.
 * A project-wide write locks the project, so that no environment comes or goes beside it; a write to one environment locks that alone.
 */

export async function findProject(tx: Tx, key: string, lock = false): Promise<ProjectRow> {
  const row = await tx.findOne(ProjectRow, {
    where: { key },
    ...(lock ? { lock: { mode: 'for_no_key_update' as const } } : {}),
  });
  if (row === null) throw notFound('project', key);
  return row;
}

export async function findEnvironment(tx: Tx, project: ProjectRow, key: string, lock = false): Promise<EnvironmentRow> {
  const row = await tx.findOne(Environment, {
    where: { projectId: project.id, key },
    ...(lock ? { lock: { mode: 'for_no_key_update' as const } } : {}),
  });
  if (row === null) throw notFound('environment', key);
  return row;
}

/** Locks every environment of a project, by id. */
export async function lockEnvironments(tx: Tx, project: ProjectRow): Promise<EnvironmentRow[]> {
  return tx.find(Environment, {
    where: { projectId: project.id },
    order: { id: 'ASC' },
    lock: { mode: 'for_no_key_update' },
  });
}

export async function findFlag(tx: Tx, project: ProjectRow, key: string): Promise<FlagRow> {
  const row = await tx.findOne(FlagRow, { where: { projectId: project.id, key } });
  if (row === null) throw notFound('flag', key);
  return row;
}

/** Versions the client holds, of which the current one must be one; undefined: the client does not care. */
export type Expected = readonly number[] | undefined;

/** @throws DomainError `version_stale`, with the current version. */
export function refuseStale(current: number, expected: Expected): void {
  if (expected === undefined || expected.includes(current)) return;
  throw new DomainError(
    'version_stale',
    `The document is at version ${current}, the request expects ${expected.join(' or ')}. Read it again and repeat the edit.`,
    { version: current },
  );
}
