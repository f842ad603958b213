import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { ROOT, removeDirectory, startService, temporaryDirectory, type Service } from '../support/service.js';
import { ServiceClient } from '../support/service-client.js';

const run = promisify(execFile);

let directory: string;
let database: TestDatabase;
let service: Service;
beforeAll(async () => {
  directory = await temporaryDirectory();
  database = await createDatabase();
  service = await startService(directory);
});
afterAll(async () => {
  await service.stop();
  await database.drop();
  await removeDirectory(directory);
});

/** What `npm run token` starts once it has built what is out of date, as the service above has. */
async function command(settings: Record<string, string>, ...args: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, ['apps/api/dist/token.js', ...args], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], FLEDGE_DATA_DIR: directory, ...settings },
  });
  return stdout.trim();
}

describe('the command for a new token', () => {
  it('makes one while the service runs on its own database, and says so in the log', async () => {
    const token = await command({}, '--name', 'on call');
    expect(token).toMatch(/^fledge_admin_[0-9A-Za-z]{38}$/);
    const admin = new ServiceClient(service.url, token);
    const { body } = await admin.must('GET', '/changes?type=token&q=npm');
    expect(body.items).toMatchObject([
      { actor: { kind: 'service', name: 'npm run token' }, after: { name: 'on call', role: 'admin' } },
    ]);
    const key = await command(
      {},
      '--name',
      'app',
      '--kind',
      'sdk',
      '--project',
      'default',
      '--environment',
      'production',
    );
    expect((await new ServiceClient(service.url, key).ask('GET', '/sdk/v1/snapshot')).status).toBe(200);
  }, 120_000);

  it('makes the first one of an empty database elsewhere', async () => {
    const token = await command({ DATABASE_URL: database.url }, '--name', 'first', '--expires', '2100-01-01T00:00:00Z');
    expect(token).toMatch(/^fledge_admin_/);
  }, 120_000);

  it('says what is wrong, and makes nothing', async () => {
    const wrong = [[], ['--name', 'x', '--role', 'king'], ['--what']];
    const said = wrong.map((args) => command({ DATABASE_URL: database.url }, ...args).catch(String));
    for (const each of await Promise.all(said)) expect(each).toContain('Usage: npm run token');
  }, 120_000);
});
