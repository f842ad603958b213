import 'reflect-metadata';
import pg from 'pg';
import { DataSource, type MixedList } from 'typeorm';
import { entities } from './entities/all.js';

export type DatabaseOptions = {
  readonly url: string;
  /** Connections of the pool; a write holds one for its transaction. */
  readonly poolSize?: number;
  readonly applicationName?: string;
  readonly migrations?: MixedList<Function>;
};

/**
 * A connection whose end is never an error that nobody hears, which would end the process. The pool stops listening when it hands one
 * out and TypeORM begins a moment later; PostgreSQL can say in one piece that it is ready and that it ends. Who uses a connection that
 * has ended is told so by its next query.
 */
class HeardClient extends pg.Client {
  constructor(config?: string | pg.ClientConfig) {
    super(config);
    this.on('error', () => undefined);
  }
}

/** A pool of connections that never changes the schema by itself. */
export function createDataSource(options: DatabaseOptions): DataSource {
  return new DataSource({
    type: 'postgres',
    url: options.url,
    entities,
    ...(options.migrations === undefined ? {} : { migrations: options.migrations }),
    migrationsTableName: 'migration',
    migrationsTransactionMode: 'each',
    migrationsRun: false,
    synchronize: false,
    uuidExtension: 'pgcrypto',
    installExtensions: false,
    logging: false,
    poolSize: options.poolSize ?? 10,
    applicationName: options.applicationName ?? 'fledge',
    connectTimeoutMS: 5_000,
    // A broken idle connection is replaced by the pool; without a handler it would end the process.
    poolErrorHandler: () => undefined,
    extra: { keepAlive: true, idleTimeoutMillis: 30_000, Client: HeardClient },
  });
}
