import { fchownSync, statSync } from 'node:fs';
import { chown, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Whose a file is, or who a process is. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Whose the file is, or undefined when there is none or it cannot be seen. */
export async function ownerOf(path: string): Promise<Owner | undefined> {
  return stat(path).then(
    ({ uid, gid }) => ({ uid, gid }),
    () => undefined,
  );
}

/**
 * As root, gives a file it made to the owner of the folder, so that one start with sudo does not lock an ordinary user
 * out of what is theirs; as anybody else does nothing.
 */
export async function giveToOwnerOfFolder(path: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = await stat(dirname(path));
  await chown(path, uid, gid);
}

/** The same for a file that is open. */
export function giveOpenToOwnerOfFolder(fd: number, path: string): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = statSync(dirname(path));
  fchownSync(fd, uid, gid);
}
