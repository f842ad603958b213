import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { Client } from 'pg';
import { inject } from 'vitest';

const TEMPLATE = 'fledge_template';
const DRAFT = 'fledge_template_draft';
/** Any constant serves; only one spec at a time may make the template. */
const TEMPLATE_LOCK = 7_216_447;

/** A database of one's own, with the whole schema and no rows. */
export interface TestDatabase {
  readonly url: string;
  /** Removes it, ending whatever is still connected. */
  drop(): Promise<void>;
}

/** Copies the migrated template (about 20 ms; the first call of a run starts the server and makes it); call it once per file, in `beforeAll`. */
export async function createDatabase(): Promise<TestDatabase> {
  const server = await askForServer();
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await withClient(server, async (client) => {
    if (!(await hasTemplate(client))) await makeTemplate(client, server);
    await client.query(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE} STRATEGY file_copy`);
  });
  return {
    url: atDatabase(server, name),
    drop: () => execute(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  };
}

async function askForServer(): Promise<string> {
  let answer = '';
  for await (const chunk of connect(inject('databaseServer'))) answer += String(chunk);
  if (answer.startsWith('error: ')) throw new Error(`The tests' PostgreSQL did not start: ${answer.slice(7)}`);
  return answer;
}

async function hasTemplate(client: Client): Promise<boolean> {
  const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [TEMPLATE]);
  return found.rowCount === 1;
}

async function makeTemplate(client: Client, serverUrl: string): Promise<void> {
  await client.query('SELECT pg_advisory_lock($1)', [TEMPLATE_LOCK]);
  try {
    if (await hasTemplate(client)) return;
    // Loaded here because TypeORM takes half a second that most specs need not spend.
    const [{ migrate }, { migrations }] = await Promise.all([import('@fledge/store'), import('@fledge/migrations')]);
    await client.query(`DROP DATABASE IF EXISTS ${DRAFT} WITH (FORCE)`);
    await client.query(`CREATE DATABASE ${DRAFT} STRATEGY file_copy`);
    await migrate({ url: atDatabase(serverUrl, DRAFT), migrations });
    // Renamed when whole: a template that exists is migrated.
    await client.query(`ALTER DATABASE ${DRAFT} RENAME TO ${TEMPLATE}`);
  } finally {
    await client.query('SELECT pg_advisory_unlock($1)', [TEMPLATE_LOCK]);
  }
}

function atDatabase(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}

async function execute(url: string, statement: string): Promise<void> {
  await withClient(url, async (client) => {
    await client.query(statement);
  });
}

async function withClient(url: string, use: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await use(client);
  } finally {
    await client.end();
  }
}
