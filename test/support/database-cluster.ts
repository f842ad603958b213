import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '@fledge/embedded-postgres';
import { Client } from 'pg';
import type { TestProject } from 'vitest/node';
import { TEMPLATE } from './database.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** The server of this run, as a superuser; `createDatabase` makes databases of one's own in it. */
    databaseUrl: string;
  }
}

interface Server {
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * One server per run, with the schema migrated once into a template database: an embedded one without fsync that is
 * removed at the end, or the one FLEDGE_TEST_DATABASE_URL names.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startServer();
  try {
    await makeTemplate(server.url);
  } catch (error) {
    await server.stop();
    throw error;
  }
  project.provide('databaseUrl', server.url);
  return () => server.stop();
}

async function startServer(): Promise<Server> {
  const given = process.env['FLEDGE_TEST_DATABASE_URL'];
  if (given !== undefined && given !== '') return { url: given, stop: () => Promise.resolve() };
  const dataDir = await mkdtemp(join(tmpdir(), 'fledge-test-'));
  try {
    const postgres = await startEmbeddedPostgres({ dataDir, database: 'postgres', durable: false });
    return {
      url: postgres.url,
      async stop() {
        await postgres.stop();
        await rm(dataDir, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(dataDir, { recursive: true, force: true });
    throw error;
  }
}

async function makeTemplate(serverUrl: string): Promise<void> {
  const client = new Client({ connectionString: serverUrl });
  await client.connect();
  try {
    await client.query(`DROP DATABASE IF EXISTS ${TEMPLATE} WITH (FORCE)`);
    await client.query(`CREATE DATABASE ${TEMPLATE} STRATEGY file_copy`);
  } finally {
    await client.end();
  }
}
