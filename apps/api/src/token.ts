import { parseArgs } from 'node:util';
import { EmbeddedPostgresError, startEmbeddedPostgres, urlOfRunning } from '@fledge/embedded-postgres';
import { migrations } from '@fledge/migrations';
import { createDataSource, DomainError, migrate, TokenStore, type Actor } from '@fledge/store';
import { ENVIRONMENT_GRANT } from './auth/authenticator.js';
import { ConfigError, readConfig, type Config } from './config.js';
import { RequestError } from './http/problem.js';
import { tokenOf } from './tokens/token-arguments.js';
import { toNewToken } from './tokens/token-request.js';

const USAGE = `Usage: npm run token -- --name <name> [--kind management|sdk|client] [--role admin|editor|operator|viewer]
                        [--project <key>] [--environment <key>]… [--tag <tag>]… [--expires <instant>]
Makes a token in the database of this host's settings (DATABASE_URL, or the embedded one under FLEDGE_DATA_DIR, whether the
service runs or not) and prints it: the only time it is seen. Without --kind and --role it is an admin for everything.`;

/** Whoever may run commands on the host may do anything anyway. */
const HOST: Actor = { id: 'host', name: 'npm run token', kind: 'service' };

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      name: { type: 'string' },
      kind: { type: 'string', default: 'management' },
      role: { type: 'string' },
      project: { type: 'string' },
      environment: { type: 'string', multiple: true },
      tag: { type: 'string', multiple: true },
      expires: { type: 'string' },
    },
  });
  const wanted = toNewToken(tokenOf(values), ENVIRONMENT_GRANT, Date.now());
  const database = await openDatabase(readConfig(process.env));
  const { url } = database;
  try {
    await migrate({ url, migrations });
    const dataSource = await createDataSource({ url, poolSize: 1, applicationName: 'fledge-token' }).initialize();
    const { id, token } = await new TokenStore(dataSource).create(HOST, wanted);
    await dataSource.destroy();
    process.stderr.write(`Token ${id}, shown this once:\n`);
    process.stdout.write(`${token}\n`);
  } finally {
    await database.stop();
  }
}

type Opened = { readonly url: string; stop(): Promise<void> };

/** The embedded database is shared with the service that runs it, or run for as long as this takes. */
async function openDatabase({ database }: Config): Promise<Opened> {
  if (database.kind === 'external') return { url: database.directUrl, stop: async () => undefined };
  try {
    return await startEmbeddedPostgres({ dataDir: database.dataDir });
  } catch (error) {
    const running = error instanceof EmbeddedPostgresError ? await urlOfRunning(database.dataDir) : undefined;
    if (running === undefined) throw error;
    return { url: running, stop: async () => undefined };
  }
}

function explain(error: unknown): string {
  if (error instanceof RequestError || error instanceof DomainError) {
    const { errors = [] } = error.details;
    return [error.message, ...errors.map(({ pointer, message }) => `  ${pointer}: ${message}`), '', USAGE].join('\n');
  }
  if (error instanceof ConfigError || error instanceof EmbeddedPostgresError) return error.message;
  if (error instanceof TypeError && 'code' in error) return `${error.message}\n\n${USAGE}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

main().catch((error: unknown) => {
  process.stderr.write(`\n${explain(error)}\n`);
  process.exitCode = 1;
});
