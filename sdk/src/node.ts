import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { SnapshotCache } from './options.js';
import { isSnapshot } from './snapshot.js';

/**
 * Keeps the snapshot in a file that only its owner may read. The file is replaced in one step, so that neither a crash
 * nor a second process leaves half of one; a file that is missing or corrupted counts as empty. Never throws: what goes
 * wrong while saving is told to `onError`.
 */
export const fileCache = (path: string, onError: (error: unknown) => void = () => undefined): SnapshotCache => ({
  load: async () => {
    try {
      const snapshot: unknown = JSON.parse(await readFile(path, 'utf8'));
      return isSnapshot(snapshot) ? snapshot : undefined;
    } catch {
      return undefined;
    }
  },
  save: async (snapshot) => {
    const draft = `${path}.${randomUUID()}.tmp`;
    try {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(draft, JSON.stringify(snapshot), { mode: 0o600, flag: 'wx', flush: true });
      await rename(draft, path);
    } catch (error) {
      await rm(draft, { force: true }).catch(() => undefined);
      try {
        onError(error);
      } catch {
        /* nobody left */
      }
    }
  },
});
