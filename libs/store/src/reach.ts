import type { Touched } from './change-log.js';
import type { CohortRow } from './entities/cohort.entity.js';
import type { StoredPatch } from './entities/environment-change.entity.js';
import type { EnvironmentRow } from './entities/environment.entity.js';
import { reachableCohortRows } from './surroundings.js';
import type { Tx } from './transaction.js';

/**
 * A snapshot holds the cohorts that its flags reach and no others. When a write changes which cohorts are named, the cohorts that
 * come into reach are sent with it and those that fall out of reach are removed.
 */
export async function reachedCohorts(
  tx: Tx,
  projectId: number,
  environmentId: number,
): Promise<Map<string, CohortRow>> {
  const named = await tx.query<{ key: string }[]>(
    `SELECT DISTINCT unnest(targeting.cohorts) AS key FROM targeting JOIN flag ON flag.id = targeting.flag_id
     WHERE targeting.environment_id = $1 AND flag.archived_at IS NULL AND targeting.cohorts <> '{}'`,
    [environmentId],
  );
  const rows = await reachableCohortRows(
    tx,
    projectId,
    named.map(({ key }) => key),
  );
  return new Map(rows.map((row) => [row.key, row]));
}

/** The part of a patch that says which cohorts came into reach and which fell out of it. */
export function reachPatch(
  before: ReadonlyMap<string, CohortRow>,
  after: ReadonlyMap<string, CohortRow>,
): Pick<StoredPatch, 'cohorts' | 'removed'> {
  const came = [...after.values()].filter((row) => !before.has(row.key));
  const went = [...before.keys()].filter((key) => !after.has(key));
  return {
    ...(came.length === 0 ? {} : { cohorts: cohortsPatch(came) }),
    ...(went.length === 0 ? {} : { removed: { cohorts: went } }),
  };
}

/** Cohorts that are to be sent whole, with the members they have when the patch is read. */
export const cohortsPatch = (rows: readonly CohortRow[]): NonNullable<StoredPatch['cohorts']> =>
  Object.fromEntries(
    rows.map((row) => [
      row.key,
      { id: row.id, key: row.key, ...(row.attribute === null ? {} : { attribute: row.attribute }), rules: row.rules },
    ]),
  );

/** The environments of a project whose snapshots hold the cohort now. */
export async function environmentsReaching(tx: Tx, projectId: number, cohort: string): Promise<Set<number>> {
  const rows = await tx.query<{ id: number }[]>(
    `WITH RECURSIVE up (key) AS (
       SELECT $2::text
       UNION SELECT cohort.key FROM cohort JOIN up ON cohort.cohorts @> ARRAY[up.key] WHERE cohort.project_id = $1)
     SELECT DISTINCT targeting.environment_id AS id
     FROM targeting JOIN flag ON flag.id = targeting.flag_id
     WHERE flag.project_id = $1 AND flag.archived_at IS NULL AND targeting.cohorts && (SELECT array_agg(key) FROM up)`,
    [projectId, cohort],
  );
  return new Set(rows.map(({ id }) => id));
}

/** The cohorts that the snapshots of several environments hold, by environment. */
export type Reach = ReadonlyMap<number, ReadonlyMap<string, CohortRow>>;

export async function reachOfAll(tx: Tx, projectId: number, environments: readonly EnvironmentRow[]): Promise<Reach> {
  const reach = new Map<number, Map<string, CohortRow>>();
  for (const { id } of environments) reach.set(id, await reachedCohorts(tx, projectId, id));
  return reach;
}

/** Joins what a change does to each environment with the cohorts that come into reach or fall out of it. */
export async function withReach(
  tx: Tx,
  projectId: number,
  environments: readonly EnvironmentRow[],
  before: Reach,
  patchOf: (environment: EnvironmentRow) => StoredPatch,
): Promise<Touched[]> {
  const touched: Touched[] = [];
  for (const environment of environments) {
    const patch = patchOf(environment);
    const reach = reachPatch(
      before.get(environment.id) ?? new Map(),
      await reachedCohorts(tx, projectId, environment.id),
    );
    const cohorts = { ...reach.cohorts, ...patch.cohorts };
    const removed = { ...patch.removed, ...reach.removed };
    touched.push({
      environment,
      patch: {
        ...patch,
        ...(Object.keys(cohorts).length === 0 ? {} : { cohorts }),
        ...(Object.keys(removed).length === 0 ? {} : { removed }),
      },
    });
  }
  return touched;
}
