import { Pool, type QueryResultRow } from 'pg';

const pools = new Map<string, Pool>();

/** One connection per database, which ends with the database or the process. */
function poolOf(url: string): Pool {
  const pool = pools.get(url) ?? new Pool({ connectionString: url, max: 1, allowExitOnIdle: true });
  if (!pools.has(url)) pool.on('error', () => undefined);
  pools.set(url, pool);
  return pool;
}

const editedPastTheLog = new Set<string>();
/** A write to what undoing reads or brings back. */
const EDIT =
  /\b(?:INSERT INTO|UPDATE|DELETE FROM|ALTER TABLE) (?:project|environment|flag|targeting|cohort|environment_change|change)\b/;

/** Whether a spec has edited documents or the log of this database by itself, so that what the service did cannot be undone. */
export const isEditedPastTheLog = (url: string): boolean => editedPastTheLog.has(url);

/** Asks a spec's database directly, past the service. */
export async function sql<Row extends QueryResultRow>(
  url: string,
  statement: string,
  parameters: readonly unknown[] = [],
): Promise<Row[]> {
  if (EDIT.test(statement)) editedPastTheLog.add(url);
  return (await poolOf(url).query<Row>(statement, [...parameters])).rows;
}

/** Everything in the database as text, row by row: what a thief of a backup could search, and what two states are compared by. */
export async function everyRow(url: string): Promise<string[]> {
  const tables = await sql<{ name: string }>(
    url,
    `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1`,
  );
  const rows: string[] = [];
  for (const { name } of tables) {
    const found = await sql<{ row: string }>(url, `SELECT each::text AS row FROM ${name} AS each ORDER BY 1`);
    rows.push(...found.map(({ row }) => `${name} ${row}`));
  }
  return rows;
}
