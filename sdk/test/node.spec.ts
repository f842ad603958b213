import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileCache } from '@fledge/sdk/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { snapshotOf, until } from './support/fake-service.js';
import { collector, connect, startService, unusedPort } from './support/harness.js';

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fledge-cache-'));
  path = join(folder, 'deep', 'snapshot.json');
});

afterEach(() => rm(folder, { recursive: true }));

describe('a file cache', () => {
  it('carries the last snapshot across a restart while the service is away', async () => {
    const service = await startService(snapshotOf(1, { checkout: true }));
    const first = connect(service.url, { cache: fileCache(path) });
    await first.ready();
    service.change({ search: true });
    await until(() => first.snapshot?.version === 2);
    await first.close();
    const second = connect(`http://127.0.0.1:${await unusedPort()}`, { cache: fileCache(path) });
    await second.ready({ timeoutMs: 2_000 });
    expect(second.evaluateAll({})).toEqual(first.evaluateAll({}));
    expect(second.status).toMatchObject({ state: 'stale', version: 2, revision: '2-aaaaaaaa' });
  });

  it('is empty when there is no file', async () => {
    expect(await fileCache(path).load()).toBeUndefined();
  });

  it.each(['', '{"flags":', 'null', '42', '[]', '{"flags":null}', '\u0000\u0001'])(
    'is empty when the file holds %j',
    async (text) => {
      await mkdir(join(folder, 'deep'));
      await writeFile(path, text);
      const { errors, onError } = collector();
      expect(await fileCache(path).load()).toBeUndefined();
      const service = await startService();
      await connect(service.url, { cache: fileCache(path), onError }).ready();
      expect(errors).toEqual([]);
    },
  );

  it('replaces the file in one step, for its owner alone, and leaves no drafts', async () => {
    const cache = fileCache(path);
    const [small, large] = [
      snapshotOf(1, {}),
      snapshotOf(2, Object.fromEntries(Array.from({ length: 2_000 }, (_, i) => [`f${i}`, true]))),
    ];
    await cache.save(small);
    const versions: unknown[] = [];
    const read = async (): Promise<void> => void versions.push(JSON.parse(await readFile(path, 'utf8')).version);
    for (let i = 0; i < 20; i++) {
      await Promise.all([cache.save(large), read(), fileCache(path).save(small), read(), read()]);
    }
    expect(versions.every((version) => version === 1 || version === 2)).toBe(true);
    expect(await readdir(join(folder, 'deep'))).toEqual(['snapshot.json']);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('never throws when it cannot be written, but tells who wants to know', async () => {
    await writeFile(join(folder, 'deep'), 'a file where a folder should be');
    const errors: unknown[] = [];
    await expect(fileCache(path).save(snapshotOf(1, {}))).resolves.toBeUndefined();
    await fileCache(path, (error) => {
      errors.push(error);
      throw new Error('onError');
    }).save(snapshotOf(1, {}));
    expect(errors).toEqual([expect.objectContaining({ code: 'EEXIST' })]);
  });
});
