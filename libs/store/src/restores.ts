import { isDeepStrictEqual } from 'node:util';
import { cohortsOf, type Flag, type Problem } from '@fledge/evaluation';
import type { DataSource } from 'typeorm';
import type { Actor } from './actor.js';
import { environmentDocument, joinFlag, type EnvironmentDocument } from './documents.js';
import type { Targeting } from './entities/targeting.entity.js';
import { pointOf, type Moment } from './history.js';
import { DEFAULT_LIMITS, type Limits } from './limits.js';
import { findEnvironment, findProject } from './locate.js';
import { placedFlags, replaceTargetings, type Placed } from './targeting-bulk.js';
import { rehearse, write, type Tx } from './transaction.js';

/** An environment after its flags were brought back to how they stood at `restored.version`. */
export type RestoredEnvironment = EnvironmentDocument & {
  readonly restored: {
    readonly version: number;
    /** The flags whose targeting is another now. */
    readonly flags: Readonly<Record<string, { readonly before: Targeting; readonly after: Targeting }>>;
    /** Flags that were served then and are archived or gone now: that is the whole project's to decide. */
    readonly skipped: readonly string[];
  };
  readonly warnings: readonly Problem[];
};

/** Brings environments back to how they stood. */
export class RestoreStore {
  constructor(
    private readonly dataSource: DataSource,
    private readonly limits: Limits = DEFAULT_LIMITS,
  ) {}

  /**
   * Gives every flag that is not archived the targeting it had at that moment, as one change; a flag that was not served then is
   * disabled. What all environments share stays as it is: definitions of flags, cohorts and their members.
   * @throws DomainError `invalid` when a flag could not stand so any more, `not_found` for a moment before the first version
   */
  async restore(
    by: Actor,
    project: string,
    environment: string,
    moment: Moment,
    { dryRun = false }: { readonly dryRun?: boolean } = {},
  ): Promise<RestoredEnvironment> {
    return (dryRun ? rehearse : write)(this.dataSource, by, async (tx) => {
      const owner = await findProject(tx, project);
      const place = await findEnvironment(tx, owner, environment, true);
      const point = await pointOf(tx, place.id, moment);
      const then = await flagsAt(tx, place.id, point.version);
      const placed = await placedFlags(tx, place.id);
      const next = new Map<string, Targeting>();
      for (const row of placed.values()) {
        const document = restored(row, then.get(row.key));
        if (!isDeepStrictEqual(document, row.document)) next.set(row.key, document);
      }
      const record = { action: 'environment.restored' };
      const warnings =
        next.size === 0 ? [] : await replaceTargetings(tx, by, owner, place, placed, next, this.limits, record);
      const changed = [...next].map(
        ([key, after]) => [key, { before: placed.get(key)?.document ?? after, after }] as const,
      );
      return {
        ...environmentDocument(place, owner.key),
        restored: {
          version: point.version,
          flags: Object.fromEntries(changed),
          skipped: [...then].flatMap(([key, flag]) => (flag === null || placed.has(key) ? [] : [key])),
        },
        warnings: [...warnings, ...(await cohortWarnings(tx, owner.id, point.changeId, placed, next))],
      };
    });
  }
}

/** Every flag that there ever was in the environment until a version, as the newest patch had it; null: it was taken out. */
async function flagsAt(tx: Tx, environmentId: number, version: number): Promise<Map<string, Flag | null>> {
  const rows = await tx.query<{ key: string; flag: Flag | null }[]>(
    `SELECT DISTINCT ON (key) key, patch -> 'flags' -> key AS flag
     FROM environment_change CROSS JOIN LATERAL unnest(flags) AS key
     WHERE environment_id = $1 AND version <= $2 ORDER BY key, version DESC`,
    [environmentId, version],
  );
  return new Map(rows.map(({ key, flag }) => [key, flag]));
}

function restored({ document }: Placed, then: Flag | null | undefined): Targeting {
  if (then === undefined || then === null) return { ...document, enabled: false };
  const { enabled, offVariant, prerequisites, rules, fallthrough } = then;
  return { ...document, enabled, offVariant, prerequisites, rules, fallthrough };
}

/** Cohorts belong to all environments and are not brought back: who is in one may have changed. */
async function cohortWarnings(
  tx: Tx,
  projectId: number,
  since: string,
  placed: ReadonlyMap<string, Placed>,
  next: ReadonlyMap<string, Targeting>,
): Promise<Problem[]> {
  const named = [...next].flatMap(([key, document]) => {
    const row = placed.get(key);
    return row === undefined ? [] : [...cohortsOf(joinFlag(row, document))].map((cohort) => ({ key, cohort }));
  });
  const rows = await tx.query<{ key: string }[]>(
    `SELECT DISTINCT subject_key AS key FROM change
     WHERE project_id = $1 AND subject_type IN ('cohort', 'members') AND id > $2 AND subject_key = ANY ($3)`,
    [projectId, since, named.map(({ cohort }) => cohort)],
  );
  const changed = new Set(rows.map(({ key }) => key));
  return named
    .filter(({ cohort }) => changed.has(cohort))
    .map(({ key, cohort }) => ({
      pointer: `/flags/${key}`,
      code: 'cohort_changed',
      message: `The cohort "${cohort}" has changed since; cohorts belong to all environments and stay as they are.`,
    }));
}
