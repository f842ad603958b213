import { cohortsOf, cohortsOfCohort, prerequisitesOf, type Cohort, type Flag, type Snapshot } from '@fledge/evaluation';
import type { DataSource } from 'typeorm';
import type { StoredPatch } from './entities/environment-change.entity.js';
import { DomainError } from './errors.js';
import { findEnvironment, findProject } from './locate.js';
import { membersAt } from './snapshots.js';
import { readConsistently, type Tx } from './transaction.js';

/** A moment of an environment: a version, an instant (the newest version not after it), or now. */
export type Moment = { readonly version?: number | undefined; readonly at?: string | undefined };

/** One flag with everything it reaches, as an environment served it at a moment. */
export class HistoryStore {
  constructor(private readonly dataSource: DataSource) {}

  /**
   * The part of the snapshot that decides the flag: the flag, its prerequisites and their cohorts, with the members of then. The
   * flag is missing from it when it did not exist or was archived at that moment.
   * @throws DomainError `not_found` for a moment before the environment's first version
   */
  async snapshotOf(project: string, environment: string, flag: string, moment: Moment = {}): Promise<Snapshot> {
    return readConsistently(this.dataSource, async (tx) => {
      const owner = await findProject(tx, project);
      const place = await findEnvironment(tx, owner, environment);
      const point = await pointOf(tx, place.id, moment);
      const flags = await closure([flag], (key) => flagAt(tx, place.id, point, key), prerequisitesOf);
      const named = Object.values(flags).flatMap((each) => [...cohortsOf(each)]);
      const cohorts = await closure(named, (key) => cohortAt(tx, place.id, point, key), cohortsOfCohort);
      return {
        format: 1,
        project: owner.key,
        environment: place.key,
        version: point.version,
        revision: point.revision,
        flags,
        cohorts,
      };
    });
  }
}

type Point = { readonly version: number; readonly revision: string; readonly changeId: string };

export async function pointOf(tx: Tx, environmentId: number, { version, at }: Moment): Promise<Point> {
  const [point] = await tx.query<Point[]>(
    `SELECT version, revision, change_id AS "changeId" FROM environment_change
     WHERE environment_id = $1 AND ($2::int IS NULL OR version = $2) AND ($3::timestamptz IS NULL OR at <= $3)
     ORDER BY version DESC LIMIT 1`,
    [environmentId, version ?? null, at ?? null],
  );
  if (point === undefined) throw new DomainError('not_found', 'The environment has no version at that moment.');
  return point;
}

/** Everything that is reached from `keys`, each loaded once; what is not there is left out. */
async function closure<T>(
  keys: readonly string[],
  load: (key: string) => Promise<T | undefined>,
  next: (document: T) => Iterable<string>,
): Promise<Record<string, T>> {
  const found = new Map<string, T>();
  const seen = new Set<string>();
  for (let wanted = [...keys]; wanted.length > 0;) {
    const further: string[] = [];
    for (const key of wanted.filter((each) => !seen.has(each))) {
      seen.add(key);
      const document = await load(key);
      if (document === undefined) continue;
      found.set(key, document);
      further.push(...next(document));
    }
    wanted = further;
  }
  return Object.fromEntries(found);
}

async function flagAt(tx: Tx, environmentId: number, { version }: Point, key: string): Promise<Flag | undefined> {
  const [row] = await tx.query<{ flag: Flag | null }[]>(
    `SELECT patch -> 'flags' -> $3::text AS flag FROM environment_change
     WHERE environment_id = $1 AND version <= $2 AND flags @> ARRAY[$3::text] ORDER BY version DESC LIMIT 1`,
    [environmentId, version, key],
  );
  return row?.flag ?? undefined;
}

type StoredCohort = NonNullable<StoredPatch['cohorts']>[string];

async function cohortAt(tx: Tx, environmentId: number, point: Point, key: string): Promise<Cohort | undefined> {
  const [row] = await tx.query<{ cohort: StoredCohort | null }[]>(
    `SELECT patch -> 'cohorts' -> $3::text AS cohort FROM environment_change
     WHERE environment_id = $1 AND version <= $2 AND cohorts @> ARRAY[$3::text] ORDER BY version DESC LIMIT 1`,
    [environmentId, point.version, key],
  );
  if (row?.cohort === undefined || row.cohort === null) return undefined;
  const { id, ...cohort } = row.cohort;
  return { ...cohort, ...(await membersAt(tx, id, point.changeId)) };
}
