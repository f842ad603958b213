import { isDeepStrictEqual } from 'node:util';
import { applyChanges, type Change, type Snapshot } from '@fledge/evaluation';
import { createDataSource, SnapshotStore } from '@fledge/store';
import pg from 'pg';

/** What is written in the database about an environment, read past the service. */
interface History {
  /** Its versions in order. */
  readonly versions: readonly number[];
  /** Everything that contradicts the promise that a write is whole, logged once and in order. */
  readonly contradictions: readonly string[];
}

/** Runs statements on a connection of its own. */
export async function withDatabase<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Reads the log of an environment of project `default` and holds it against the documents. */
async function readHistory(url: string, environment = 'production'): Promise<History> {
  return withDatabase(url, async (client) => {
    const contradictions: string[] = [];
    const { rows: places } = await client.query<{ id: number; version: number; revision: string }>(
      `SELECT id, snapshot_version AS version, revision FROM environment WHERE key = $1`,
      [environment],
    );
    const [place] = places;
    if (place === undefined) throw new Error(`There is no environment ${environment}.`);
    const { rows } = await client.query<{ version: number; revision: string; at: Date; logged: boolean }>(
      `SELECT version, revision, environment_change.at,
              EXISTS (SELECT FROM change WHERE change.id = change_id AND change.at = environment_change.at
                        AND environments @> jsonb_build_array(jsonb_build_object('key', $2::text, 'version', version))) AS logged
       FROM environment_change WHERE environment_id = $1 ORDER BY version`,
      [place.id, environment],
    );
    rows.forEach((row, index) => {
      const before = rows[index - 1];
      if (before !== undefined && row.version !== before.version + 1) contradictions.push(`gap before ${row.version}`);
      if (before !== undefined && row.at <= before.at && +row.at < +before.at)
        contradictions.push(`time of ${row.version}`);
      if (!row.logged) contradictions.push(`version ${row.version} has no change, or its change another version`);
    });
    const last = rows.at(-1);
    if (last?.version !== place.version || last.revision !== place.revision)
      contradictions.push(`the environment is at ${place.revision}, its log ends with ${last?.revision}`);
    const { rows: orphans } = await client.query<{ id: string }>(
      `SELECT id FROM change, jsonb_to_recordset(environments) AS touched (key text, version int)
       WHERE touched.key = $2 AND NOT EXISTS (
         SELECT FROM environment_change WHERE change_id = change.id AND environment_id = $1 AND environment_change.version = touched.version)`,
      [place.id, environment],
    );
    for (const { id } of orphans) contradictions.push(`change ${id} names a version that is not in the log`);
    contradictions.push(...(await foldingContradictions(url, place.id, rows)));
    return { versions: rows.map(({ version }) => version), contradictions };
  });
}

/** The changes of the log, one after the other, must lead to exactly what the documents say now. */
async function foldingContradictions(
  url: string,
  environmentId: number,
  rows: readonly { version: number; revision: string }[],
): Promise<string[]> {
  const dataSource = createDataSource({ url, poolSize: 2 });
  await dataSource.initialize();
  try {
    const store = new SnapshotStore(dataSource);
    const whole = await store.load(environmentId);
    const [first] = rows;
    if (whole === undefined || first === undefined) return ['there is no snapshot'];
    let folded: Snapshot | undefined = {
      ...whole,
      version: first.version,
      revision: first.revision,
      flags: {},
      cohorts: {},
    };
    for (;;) {
      const { version, revision } = folded;
      const missed = await store.missed(environmentId, { version, revision: revision ?? '' });
      const changes: readonly Change[] = missed.kind === 'changes' ? missed.changes : [];
      if (missed.kind !== 'changes') return [`the log does not lead on from ${revision}`];
      folded = applyChanges(folded, changes);
      if (folded === undefined) return [`a change does not follow on ${revision}`];
      if (folded.version === whole.version) break;
    }
    const sorted = ({ flags, cohorts }: Snapshot): unknown => [
      Object.entries(flags).sort(([a], [b]) => (a < b ? -1 : 1)),
      Object.entries(cohorts).sort(([a], [b]) => (a < b ? -1 : 1)),
    ];
    return isDeepStrictEqual(sorted(folded), sorted(whole))
      ? []
      : ['the log leads to something else than the documents'];
  } finally {
    await dataSource.destroy();
  }
}
