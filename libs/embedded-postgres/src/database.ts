import { Client } from 'pg';
import { EmbeddedPostgresError } from './errors.js';

const NO_SUCH_DATABASE = '3D000';
const WRONG_PASSWORD = '28P01';
const CONNECT_TIMEOUT_MS = 30_000;

/** Makes sure the database at the URL exists and can be entered; costs one connection when it does. */
export async function ensureDatabase(url: string, database: string, stateFile: string): Promise<void> {
  try {
    await withClient(url, async () => undefined);
  } catch (cause) {
    if (codeOf(cause) === WRONG_PASSWORD) {
      throw new EmbeddedPostgresError(
        'failed',
        `PostgreSQL does not accept the password in ${stateFile}: that file is not the one this database was made with. ` +
          `Restore it, or move the data directory away to begin with an empty database.`,
        { cause },
      );
    }
    if (codeOf(cause) !== NO_SUCH_DATABASE) throw cause;
    const maintenance = new URL(url);
    maintenance.pathname = '/postgres';
    await withClient(maintenance.href, (client) => client.query(`CREATE DATABASE "${database.replaceAll('"', '""')}"`));
  }
}

async function withClient(url: string, use: (client: Client) => Promise<unknown>): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  // A lost connection is reported by the query too; without a listener it would end the process.
  client.on('error', () => undefined);
  await client.connect();
  try {
    await use(client);
  } finally {
    await client.end();
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
