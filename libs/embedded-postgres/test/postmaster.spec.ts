import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, it } from 'vitest';
import { type Postmaster, pidFileMark, untilReady } from '../src/postmaster.js';
import { makeScratch, removeAll } from './support/start-app.js';

afterAll(removeAll);

it('is not taken for ready because a predecessor with the same process id was', async () => {
  const cluster = join(await makeScratch(), 'postgres');
  const file = join(cluster, 'postmaster.pid');
  const contents = ['15', cluster, '1795000000', '20000', '', '127.0.0.1', '1 2', 'ready   ', ''].join('\n');
  await mkdir(cluster);
  await writeFile(file, contents);
  const stale = await pidFileMark(cluster);
  const postmaster: Postmaster = {
    pid: 15,
    ended: sleep(5_000, { code: 1, signal: null }, { ref: false }),
    signal: () => undefined,
    ref: () => undefined,
  };

  let ready = false;
  const waiting = untilReady(postmaster, cluster, stale).then((answer) => (ready = answer));
  await sleep(50);
  expect(ready).toBe(false);
  await rm(file);
  await writeFile(file, contents);
  expect(await waiting).toBe(true);
});
