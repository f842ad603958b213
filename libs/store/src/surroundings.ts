import {
  cohortsOf,
  cohortsOfCohort,
  isKey,
  prerequisitesOf,
  type Cohort,
  type Flag,
  type Snapshot,
} from '@fledge/evaluation';
import { In, IsNull } from 'typeorm';
import { joinFlag } from './documents.js';
import { CohortRow } from './entities/cohort.entity.js';
import { FlagRow } from './entities/flag.entity.js';
import { TargetingRow, type Targeting } from './entities/targeting.entity.js';
import type { Tx } from './transaction.js';

/** The part of an environment that a document reaches: enough to validate it, at the cost of what it names and not of what is stored. */
export type Surroundings = Pick<Snapshot, 'flags' | 'cohorts'>;

/** Every flag and cohort reachable from `flag`, cohorts without their members. */
export async function surroundingsOf(
  tx: Tx,
  projectId: number,
  environmentId: number,
  flag: Flag,
): Promise<Surroundings> {
  const flags: Record<string, Flag> = { [flag.key]: flag };
  for (let wanted = missing(prerequisitesOf(flag), flags); wanted.size > 0;) {
    const found = await loadFlags(tx, projectId, environmentId, [...wanted]);
    for (const each of found) flags[each.key] = each;
    wanted = missing(
      found.flatMap((each) => [...prerequisitesOf(each)]),
      flags,
    );
  }
  const named = Object.values(flags).flatMap((each) => [...cohortsOf(each)]);
  return { flags, cohorts: await reachableCohortDocuments(tx, projectId, named) };
}

/** The cohorts named and all that they name in turn, without their members. */
export async function reachableCohortDocuments(
  tx: Tx,
  projectId: number,
  named: readonly string[],
): Promise<Record<string, Cohort>> {
  const rows = await reachableCohortRows(tx, projectId, named);
  return Object.fromEntries(rows.map((row) => [row.key, memberless(row)]));
}

export async function reachableCohortRows(tx: Tx, projectId: number, named: readonly string[]): Promise<CohortRow[]> {
  const reached: Record<string, CohortRow> = {};
  for (let wanted = missing(named, reached); wanted.size > 0;) {
    const found = await tx.find(CohortRow, { where: { projectId, key: In([...wanted]) } });
    for (const row of found) reached[row.key] = row;
    wanted = missing(
      found.flatMap((row) => row.cohorts),
      reached,
    );
  }
  return Object.values(reached);
}

/** A cohort as its references are judged: whoever is in it does not matter. */
export const memberless = (row: CohortRow): Cohort => ({
  key: row.key,
  ...(row.attribute === null ? {} : { attribute: row.attribute }),
  included: [],
  excluded: [],
  rules: row.rules,
});

/** What the columns beside a targeting document say about it. */
export const derivedOf = (targeting: Targeting): Pick<TargetingRow, 'cohorts' | 'prerequisites'> => ({
  cohorts: [...cohortsOf(targeting)].sort(),
  prerequisites: [...prerequisitesOf(targeting)].sort(),
});

export const cohortsNamedBy = (cohort: Pick<Cohort, 'rules'>): string[] => [...cohortsOfCohort(cohort)].sort();

async function loadFlags(tx: Tx, projectId: number, environmentId: number, keys: string[]): Promise<Flag[]> {
  const rows = await tx.find(FlagRow, { where: { projectId, key: In(keys), archivedAt: IsNull() } });
  if (rows.length === 0) return [];
  const targetings = await tx.find(TargetingRow, { where: { environmentId, flagId: In(rows.map((row) => row.id)) } });
  const documents = new Map(targetings.map((row) => [row.flagId, row.document]));
  return rows.flatMap((row) => {
    const document = documents.get(row.id);
    return document === undefined ? [] : [joinFlag(row, document)];
  });
}

/** What is still to be looked for. A name that can be no key is nobody's, and the database need not be able to read it. */
const missing = (keys: Iterable<string>, known: Readonly<Record<string, unknown>>): Set<string> =>
  new Set([...keys].filter((key) => isKey(key) && !Object.hasOwn(known, key)));
