import type { Change, Cohort, Flag, MembersChange, Snapshot } from '@fledge/evaluation';
import type { DataSource } from 'typeorm';
import { joinFlag } from './documents.js';
import type { CohortRow } from './entities/cohort.entity.js';
import type { StoredPatch } from './entities/environment-change.entity.js';
import type { FlagRow } from './entities/flag.entity.js';
import type { Targeting } from './entities/targeting.entity.js';
import { reachedCohorts } from './reach.js';
import { read, readConsistently, type Tx } from './transaction.js';

/** Where an environment's history stands. */
export type Position = { readonly version: number; readonly revision: string };

/** The tags of flags by key; a flag without any need not be in it. */
export type FlagTags = Readonly<Record<string, readonly string[]>>;

/** An environment as SDKs see it, and what keys with tags may see of it. */
export type TaggedSnapshot = { readonly snapshot: Snapshot; readonly tags: FlagTags };

/**
 * What a replica missed: the changes in order, with the tags that the flags in them have now; or that history is not the one it knows (a restored backup, a lossy failover) or too
 * far ahead, so that only the whole snapshot helps; or that the environment is gone.
 */
export type Missed =
  | { readonly kind: 'changes'; readonly changes: readonly Change[]; readonly tags: FlagTags }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'gone' };

/** More changes than this, or heavier ones, are not worth replaying: the whole snapshot is had for less. */
const REPLAY_LIMIT = 1_000;
const REPLAY_BYTES = 8_388_608;
/** Members of cohorts that are joined to the changes. */
const REPLAY_UNITS = 200_000;

/** Environments as SDKs see them. */
export class SnapshotStore {
  constructor(private readonly dataSource: DataSource) {}

  /** The whole snapshot at one moment; undefined when there is no such environment. */
  async load(environmentId: number): Promise<TaggedSnapshot | undefined> {
    return readConsistently(this.dataSource, async (tx) => {
      const [environment] = await tx.query<
        { key: string; project: string; projectId: number; version: number; revision: string }[]
      >(
        `SELECT environment.key, environment.project_id AS "projectId", project.key AS project, snapshot_version AS version, revision
         FROM environment JOIN project ON project.id = environment.project_id WHERE environment.id = $1`,
        [environmentId],
      );
      if (environment === undefined) return undefined;
      const { key, project, projectId, version, revision } = environment;
      const reached = await reachedCohorts(tx, projectId, environmentId);
      const { flags, tags } = await loadFlags(tx, environmentId);
      const cohorts = await joinMembers(tx, [...reached.values()]);
      return { snapshot: { format: 1, project, environment: key, version, revision, flags, cohorts }, tags };
    });
  }

  /** The positions of those of the environments that exist. */
  async positions(environmentIds: readonly number[]): Promise<Map<number, Position>> {
    const rows = await read(() =>
      this.dataSource.query<({ id: number } & Position)[]>(
        `SELECT id, snapshot_version AS version, revision FROM environment WHERE id = ANY ($1::int[])`,
        [environmentIds],
      ),
    );
    return new Map(rows.map(({ id, version, revision }) => [id, { version, revision }]));
  }

  /** Whether a revision is in the environment's history. */
  async knows(environmentId: number, { version, revision }: Position): Promise<boolean> {
    const rows = await read(() =>
      this.dataSource.query<unknown[]>(
        `SELECT 1 FROM environment_change WHERE environment_id = $1 AND version = $2 AND revision = $3`,
        [environmentId, version, revision],
      ),
    );
    return rows.length > 0;
  }

  /**
   * Everything after `after`, without a gap: versions are consecutive because the row lock of the environment orders them.
   * Members and tags are joined as they are now, so a patch may run ahead of its version; the changes that follow are in the same answer.
   */
  async missed(environmentId: number, after: Position): Promise<Missed> {
    return readConsistently(this.dataSource, async (tx) => {
      const [current] = await tx.query<{ version: number; projectId: number }[]>(
        `SELECT snapshot_version AS version, project_id AS "projectId" FROM environment WHERE id = $1`,
        [environmentId],
      );
      if (current === undefined) return { kind: 'gone' };
      // Who edits a flag's tags touches the flag, so that those of the flags in the log are all that can have changed.
      const rows = await tx.query<LoggedPatch[]>(
        `SELECT version, revision, change_id AS "changeId", patch,
                (SELECT jsonb_object_agg(flag.key, flag.tags) FROM unnest(logged.flags) AS named (key)
                 JOIN flag ON flag.project_id = $5 AND lower(flag.key) = lower(named.key) AND flag.key = named.key) AS tags
         FROM (
           SELECT *, sum(CASE WHEN version > $2 THEN octet_length(patch::text) END) OVER (ORDER BY version) AS bytes
           FROM environment_change WHERE environment_id = $1 AND version >= $2 ORDER BY version LIMIT $3
         ) AS logged WHERE bytes IS NULL OR bytes <= $4 ORDER BY version`,
        [environmentId, after.version, REPLAY_LIMIT + 1, REPLAY_BYTES, current.projectId],
      );
      const [known, ...later] = rows;
      if (known?.version !== after.version || known.revision !== after.revision) return { kind: 'unknown' };
      if (later.at(-1)?.version !== current.version && current.version !== after.version) return { kind: 'unknown' };
      const changes: Change[] = [];
      let units = 0;
      for (const row of later) {
        const change = await hydrate(tx, row);
        units += unitsIn(change);
        if (units > REPLAY_UNITS) return { kind: 'unknown' };
        changes.push(change);
      }
      return { kind: 'changes', changes, tags: Object.assign({}, ...later.map(({ tags }) => tags)) };
    });
  }
}

type LoggedPatch = { version: number; revision: string; changeId: string; patch: StoredPatch; tags: FlagTags | null };

type TargetedFlag = Pick<FlagRow, 'key' | 'type' | 'variants' | 'metadata' | 'tags'> & { readonly document: Targeting };

async function loadFlags(
  tx: Tx,
  environmentId: number,
): Promise<{ readonly flags: Record<string, Flag>; readonly tags: FlagTags }> {
  const rows = await tx.query<TargetedFlag[]>(
    `SELECT flag.key, flag.type, flag.variants, flag.metadata, flag.tags, targeting.document
     FROM targeting JOIN flag ON flag.id = targeting.flag_id
     WHERE targeting.environment_id = $1 AND flag.archived_at IS NULL ORDER BY flag.key`,
    [environmentId],
  );
  return {
    flags: Object.fromEntries(rows.map((row) => [row.key, joinFlag(row, row.document)])),
    tags: Object.fromEntries(rows.flatMap(({ key, tags }) => (tags.length === 0 ? [] : [[key, tags]]))),
  };
}

type CohortHead = Pick<CohortRow, 'id' | 'key' | 'attribute' | 'rules'>;

async function joinMembers(tx: Tx, cohorts: readonly CohortHead[]): Promise<Record<string, Cohort>> {
  if (cohorts.length === 0) return {};
  const rows = await tx.query<{ id: number; list: 'included' | 'excluded'; units: string[] }[]>(
    `SELECT cohort_id AS id, list, array_agg(unit ORDER BY unit) AS units FROM cohort_member
     WHERE cohort_id = ANY ($1::int[]) AND removed_by IS NULL GROUP BY cohort_id, list`,
    [cohorts.map(({ id }) => id)],
  );
  const units = (id: number, list: string): readonly string[] =>
    rows.find((row) => row.id === id && row.list === list)?.units ?? [];
  return Object.fromEntries(
    cohorts.map(({ id, key, attribute, rules }): [string, Cohort] => [
      key,
      {
        key,
        ...(attribute === null ? {} : { attribute }),
        included: units(id, 'included'),
        excluded: units(id, 'excluded'),
        rules,
      },
    ]),
  );
}

async function hydrate(tx: Tx, row: LoggedPatch): Promise<Change> {
  const { version, revision, patch } = row;
  const whole = await joinMembers(
    tx,
    Object.values(patch.cohorts ?? {}).map((cohort) => ({
      ...cohort,
      attribute: cohort.attribute ?? null,
      rules: [...cohort.rules],
    })),
  );
  const cohorts: Record<string, Cohort | MembersChange> = whole;
  for (const [key, id] of Object.entries(patch.members ?? {})) cohorts[key] = await membersChange(tx, id, row.changeId);
  return {
    from: version - 1,
    version,
    revision,
    ...(patch.flags === undefined ? {} : { flags: patch.flags }),
    ...(Object.keys(cohorts).length === 0 ? {} : { cohorts }),
    ...(patch.removed === undefined ? {} : { removed: patch.removed }),
  };
}

/** How many members a change brings with cohorts that are sent whole. */
const unitsIn = ({ cohorts = {} }: Change): number =>
  Object.values(cohorts).reduce(
    (sum, cohort) => ('key' in cohort ? sum + cohort.included.length + cohort.excluded.length : sum),
    0,
  );

/** What one change did to a cohort's lists, from the rows it added and removed. */
async function membersChange(tx: Tx, cohortId: number, changeId: string): Promise<MembersChange> {
  const rows = await tx.query<{ list: 'included' | 'excluded'; add: string[] | null; remove: string[] | null }[]>(
    `SELECT list, array_agg(unit) FILTER (WHERE added_by = $2) AS add, array_agg(unit) FILTER (WHERE removed_by = $2) AS remove
     FROM cohort_member WHERE cohort_id = $1 AND (added_by = $2 OR removed_by = $2) GROUP BY list`,
    [cohortId, changeId],
  );
  return Object.fromEntries(
    rows.map(({ list, add, remove }) => [
      list,
      { ...(add === null ? {} : { add }), ...(remove === null ? {} : { remove }) },
    ]),
  );
}

/** The lists of a cohort as they stood after a change. */
export async function membersAt(
  tx: Tx,
  cohortId: number,
  changeId: string,
): Promise<Pick<Cohort, 'included' | 'excluded'>> {
  const rows = await tx.query<{ list: 'included' | 'excluded'; units: string[] }[]>(
    `SELECT list, array_agg(unit ORDER BY unit) AS units FROM cohort_member
     WHERE cohort_id = $1 AND added_by <= $2 AND (removed_by IS NULL OR removed_by > $2) GROUP BY list`,
    [cohortId, changeId],
  );
  const units = (list: string): readonly string[] => rows.find((row) => row.list === list)?.units ?? [];
  return { included: units('included'), excluded: units('excluded') };
}
