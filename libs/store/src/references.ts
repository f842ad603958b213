import type { Prerequisite } from '@fledge/evaluation';
import { DomainError } from './errors.js';
import type { Tx } from './transaction.js';

/** Where something is named that somebody wants to take away. */
export type Reference = { readonly environment?: string; readonly flag?: string; readonly cohort?: string } & Readonly<
  Record<string, unknown>
>;

/** @throws DomainError `referenced`, with every reference, unless there is none. */
export function refuseReferenced(
  what: string,
  key: string,
  references: readonly Reference[],
  why = 'is still in use',
): void {
  if (references.length === 0) return;
  const [first] = references;
  const place = [
    first?.flag && `flag "${first.flag}"`,
    first?.cohort && `cohort "${first.cohort}"`,
    first?.environment && `in ${first.environment}`,
  ];
  throw new DomainError(
    'referenced',
    `The ${what} "${key}" ${why}: ${place.filter(Boolean).join(' ')}${references.length > 1 ? ` and ${references.length - 1} more` : ''}.`,
    { references },
  );
}

/** Every prerequisite, in every environment, that names the flag. */
export async function flagsRequiring(
  tx: Tx,
  projectId: number,
  key: string,
  also: { readonly archived: boolean },
): Promise<{ environment: string; flag: string; variants: readonly string[] }[]> {
  const rows = await tx.query<{ environment: string; flag: string; prerequisites: Prerequisite[] }[]>(
    `SELECT environment.key AS environment, flag.key AS flag, targeting.document -> 'prerequisites' AS prerequisites
     FROM targeting JOIN flag ON flag.id = targeting.flag_id JOIN environment ON environment.id = targeting.environment_id
     WHERE flag.project_id = $1 AND targeting.prerequisites @> ARRAY[$2] AND ($3 OR flag.archived_at IS NULL)
     ORDER BY environment.key, flag.key`,
    [projectId, key, also.archived],
  );
  return rows.map(({ environment, flag, prerequisites }) => ({
    environment,
    flag,
    variants: prerequisites.filter((each) => each.flag === key).flatMap((each) => each.variants),
  }));
}

/** Every flag, in every environment and archived or not, and every cohort that names the cohort. */
export async function whoNamesCohort(tx: Tx, projectId: number, key: string): Promise<Reference[]> {
  const flags = await tx.query<{ environment: string; flag: string; archived: boolean }[]>(
    `SELECT environment.key AS environment, flag.key AS flag, flag.archived_at IS NOT NULL AS archived
     FROM targeting JOIN flag ON flag.id = targeting.flag_id JOIN environment ON environment.id = targeting.environment_id
     WHERE flag.project_id = $1 AND targeting.cohorts @> ARRAY[$2] ORDER BY environment.key, flag.key`,
    [projectId, key],
  );
  const cohorts = await tx.query<{ cohort: string }[]>(
    `SELECT key AS cohort FROM cohort WHERE project_id = $1 AND cohorts @> ARRAY[$2] ORDER BY key`,
    [projectId, key],
  );
  return [...flags, ...cohorts];
}
