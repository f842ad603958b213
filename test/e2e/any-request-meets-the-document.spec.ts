import { createLogger, createRuntime, readConfig, type Runtime } from '@fledge/api';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ApiDocument } from '../fuzz/document.js';
import { fuzz } from '../fuzz/run.js';
import { ADMIN_TOKEN, rememberHowItStands, UNDOES_EVERYTHING } from '../support/api.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { buildReplica, launchReplica, type Replica } from '../support/replica.js';

/** `npm run fuzz` asks for tens of thousands. */
const REQUESTS = Number(process.env['FLEDGE_FUZZ_REQUESTS'] ?? 600);
const SEED = Number(process.env['FLEDGE_PROPERTY_SEED'] ?? 20_261_125);
/** What may be kept of so many requests: snapshots of what they made, tokens and patterns that were seen. */
const HEAP_MAY_GROW = 48 * 1_048_576;

let database: TestDatabase;
let service: Replica;
let undoAll: Awaited<ReturnType<typeof rememberHowItStands>>;

beforeAll(async () => {
  await buildReplica();
  database = await createDatabase();
  undoAll = await rememberHowItStands(database.url);
  // A process of its own, so that its end would be seen and its memory is its own.
  service = await launchReplica(database.url, { FLEDGE_LIMIT_SDK_PER_SECOND: '0', FLEDGE_LIMIT_OFREP_PER_SECOND: '0' });
  await service.ready();
}, 300_000);
afterAll(async () => {
  await service.stop();
  try {
    if (UNDOES_EVERYTHING) await undoAll(createUndoing);
  } finally {
    await database.drop();
  }
});

function createUndoing(): Runtime {
  const { url } = database;
  const config = readConfig({ DATABASE_URL: url, FLEDGE_ADMIN_TOKEN: ADMIN_TOKEN, LOG_LEVEL: 'silent' });
  return createRuntime({ ...config, url, directUrl: url, log: createLogger(config, false), reconciles: false });
}

it(
  'is answered, whatever it is, with what the OpenAPI document says, without a fault and without growing',
  { timeout: 60_000 + REQUESTS * 100 },
  async () => {
    const document = await ApiDocument.read();
    const { kinds, statuses, neverReached, heap, findings } = await fuzz(
      service.url,
      ADMIN_TOKEN,
      document,
      REQUESTS,
      SEED,
    );
    process.stdout.write(
      `${REQUESTS} requests of seed ${SEED} (${JSON.stringify(kinds)}) to ${document.operations.length} operations; answers by status ` +
        `${JSON.stringify(statuses)}; never successful: ${neverReached.join(', ') || 'none'}; ` +
        `least heap in MiB: ${heap.map((bytes) => Math.round(bytes / 1_048_576)).join(', then ')}\n`,
    );
    expect(findings.length, findings.join('\n')).toBe(0);
    expect(service.process.exitCode).toBeNull();
    expect(heap[1] - heap[0]).toBeLessThan(HEAP_MAY_GROW);
    // Besides its greeting it says nothing but errors.
    expect(service.output()).not.toContain('"level"');
    // A long run comes through to nearly everything, or it would not look where it matters.
    if (REQUESTS >= 10_000) expect(neverReached.length).toBeLessThan(document.operations.length / 10);
  },
);
