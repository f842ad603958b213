import { createDataSource, migrate } from '@fledge/store';
import { migrations } from '@fledge/migrations';
import { Client } from 'pg';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { catalogue } from '../support/catalogue.js';
import { createDatabase, type TestDatabase } from '../support/database.js';

let database: TestDatabase;
let client: Client;
let dataSource: DataSource;

beforeAll(async () => {
  database = await createDatabase();
  client = new Client({ connectionString: database.url });
  await client.connect();
  dataSource = createDataSource({ url: database.url, migrations, poolSize: 1 });
  await dataSource.initialize();
});

afterAll(async () => {
  await dataSource.destroy();
  await client.end();
  await database.drop();
});

const NAMES = migrations.map((step) => step.name);

/** Takes back every step, the last first. */
async function undoAll(): Promise<void> {
  for (const _ of migrations) await dataSource.undoLastMigration();
}

describe('the schema', () => {
  it('is described by the entities: TypeORM would change nothing', async () => {
    const { upQueries } = await dataSource.driver.createSchemaBuilder().log();
    expect(upQueries.map(({ query }) => query)).toEqual([]);
  });

  it('is what is committed beside the migrations, predicates of indexes and triggers included', async () => {
    const lines = await catalogue(client);
    expect(lines).not.toEqual([]);
    await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot('../../migrations/schema.txt');
  });

  it('goes down to nothing and up again to the same', async () => {
    const before = await catalogue(client);
    await undoAll();
    expect(await catalogue(client)).toEqual([]);
    expect((await dataSource.runMigrations()).map((step) => step.name)).toEqual(NAMES);
    expect(await catalogue(client)).toEqual(before);
  });

  it('is made once by six replicas that start at the same time', async () => {
    await undoAll();
    const replicas = Array.from({ length: 6 }, () => migrate({ url: database.url, migrations }));
    const applied = (await Promise.all(replicas)).filter((names) => names.length > 0);
    expect(applied).toEqual([NAMES]);
  });

  it('is waited for while another process migrates, for a time, and then it is said where to look', async () => {
    await client.query('SELECT pg_advisory_lock(4201871553)');
    const waiting = migrate({ url: database.url, migrations });
    await expect(migrate({ url: database.url, migrations, timeoutMs: 200 })).rejects.toThrow('pg_stat_activity');
    await client.query('SELECT pg_advisory_unlock(4201871553)');
    expect(await waiting).toEqual([]);
  });
});
