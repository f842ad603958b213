import type { EnvironmentRow } from './entities/environment.entity.js';
import type { ProjectRow } from './entities/project.entity.js';
import { findProject, lockEnvironments } from './locate.js';
import type { Tx } from './transaction.js';

/** A project with all its environments, locked: what a project-wide write works in. */
export type Scope = { readonly owner: ProjectRow; readonly environments: readonly EnvironmentRow[] };

/** Why a write is made that no request asked for by itself: it undoes a change. */
export type Cause = { readonly reverts?: string | undefined };

export async function lockScope(tx: Tx, project: string): Promise<Scope> {
  const owner = await findProject(tx, project, true);
  return { owner, environments: await lockEnvironments(tx, owner) };
}
