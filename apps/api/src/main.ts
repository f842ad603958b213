import { migrations } from '@fledge/migrations';
import { migrate } from '@fledge/store';
import { EmbeddedPostgresError, startEmbeddedPostgres, type EmbeddedPostgres } from '@fledge/embedded-postgres';
import { createApp } from './app.js';
import { seedDemo } from './bootstrap/demo.js';
import { FIRST_ENVIRONMENTS, firstStart } from './bootstrap/first-start.js';
import { greeting } from './bootstrap/greeting.js';
import { whenDatabaseIsThere } from './bootstrap/patience.js';
import { loadSecrets, secretsPath, type Secrets } from './bootstrap/secrets.js';
import { ConfigError, readConfig, type Config } from './config.js';
import { createLogger, type Logger } from './log.js';
import { createRuntime, type Stores } from './runtime.js';

/** Configuration → embedded database → application → listen → whatever the database has to hold; and the way back, in the other order. */
async function main(): Promise<void> {
  const config = readConfig(process.env);
  const terminal = process.stdout.isTTY;
  const log = createLogger(config, terminal);
  const stops: (() => Promise<unknown>)[] = [];
  const stop = stopper(stops, log);
  try {
    const database = await openDatabase(config, log);
    if (database.embedded !== undefined) stops.unshift(() => database.embedded?.stop() ?? Promise.resolve());
    const runtime = createRuntime({ ...config, ...database, log });
    stops.unshift(() => runtime.stop());
    const app = await createApp(runtime, log);
    stops.unshift(() => {
      runtime.readiness.drain();
      runtime.streams.drain();
      runtime.signals.drain();
      return app.close();
    });
    // Before the database is asked for anything, so that whoever watches can see that this process waits for it.
    await app.listen(config.port, config.host);

    const applied = await whenDatabaseIsThere(() => migrate({ url: database.directUrl, migrations }), log);
    if (applied.length > 0) log.info({ steps: applied }, 'schema migrated');
    await whenDatabaseIsThere(() => runtime.start(), log);
    const first = await firstSecrets(config);
    await whenDatabaseIsThere(() => prepare(config, runtime.stores, first?.secrets), log);
    runtime.readiness.begin();
    const url = (await app.getUrl()).replace('[::1]', 'localhost').replace('127.0.0.1', 'localhost');
    process.stdout.write(
      greeting({
        url,
        secretsFile: config.database.kind === 'embedded' ? secretsPath(config.database.dataDir) : undefined,
        secrets: first?.fresh === true && terminal ? first.secrets : undefined,
      }),
    );
    stop.ready();
  } catch (error) {
    await stop.now();
    throw error;
  }
}

type Database = { readonly url: string; readonly directUrl: string; readonly embedded: EmbeddedPostgres | undefined };

async function openDatabase({ database }: Config, log: Logger): Promise<Database> {
  if (database.kind === 'external') return { url: database.url, directUrl: database.directUrl, embedded: undefined };
  const embedded = await startEmbeddedPostgres({
    dataDir: database.dataDir,
    log: (message) => log.info({ postgres: true }, message),
  });
  return { url: embedded.url, directUrl: embedded.url, embedded };
}

async function firstSecrets({ database }: Config): Promise<Awaited<ReturnType<typeof loadSecrets>> | undefined> {
  return database.kind === 'embedded' ? loadSecrets(database.dataDir, FIRST_ENVIRONMENTS) : undefined;
}

/** What a database holds before anybody is served. @throws ConfigError when nobody could administrate it */
async function prepare(config: Config, stores: Stores, secrets: Secrets | undefined): Promise<void> {
  if (secrets !== undefined) await firstStart(stores, secrets);
  else if (config.adminToken === undefined && !(await stores.tokens.hasAdmin()))
    throw new ConfigError([
      'FLEDGE_ADMIN_TOKEN: expected an admin token of at least 32 characters, since the database holds none. Make one with: openssl rand -hex 32',
    ]);
  if (config.seed === 'demo') await seedDemo(stores);
}

/** Ends what was begun, the last first: on a signal, when the parent is gone, or when the start fails half-way. */
function stopper(stops: readonly (() => Promise<unknown>)[], log: Logger): { ready(): void; now(): Promise<void> } {
  let stopping: Promise<void> | undefined;
  const now = (): Promise<void> =>
    (stopping ??= (async () => {
      for (const stop of stops)
        await stop().catch((error: unknown) => log.error({ err: error }, 'not stopped cleanly'));
    })());
  const onSignal = (signal: string): void => {
    log.info({ signal }, 'stopping');
    void now().then(() => process.exit(0));
  };
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  const parent = process.ppid;
  return {
    now,
    // npm does not always pass a signal on; a service whose npm is gone has nobody left to stop it.
    ready: () =>
      void setInterval(() => {
        if (process.env['npm_lifecycle_event'] !== undefined && process.ppid !== parent) onSignal('parent gone');
      }, 1_000).unref(),
  };
}

/** What a person can mend is said without a stack. */
function explain(error: unknown): string {
  if (error instanceof ConfigError || error instanceof EmbeddedPostgresError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

main().catch((error: unknown) => {
  process.stderr.write(`\n${explain(error)}\n`);
  process.exitCode = 1;
});
