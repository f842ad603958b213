import { Client, type QueryResultRow } from 'pg';

/** Asks a spec's database directly, past the service. */
export async function sql<Row extends QueryResultRow>(
  url: string,
  statement: string,
  parameters: readonly unknown[] = [],
): Promise<Row[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(statement, [...parameters])).rows;
  } finally {
    await client.end();
  }
}

/** Everything in the database as text, row by row: what a thief of a backup could search, and what two states are compared by. */
export async function everyRow(url: string, except: readonly string[] = []): Promise<string[]> {
  const tables = await sql<{ name: string }>(
    url,
    `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1`,
  );
  const rows: string[] = [];
  for (const { name } of tables.filter((table) => !except.includes(table.name))) {
    const found = await sql<{ row: string }>(url, `SELECT each::text AS row FROM ${name} AS each ORDER BY 1`);
    rows.push(...found.map(({ row }) => `${name} ${row}`));
  }
  return rows;
}
