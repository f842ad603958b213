import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { giveOpenToOwnerOfFolder } from './ownership.js';

const KEPT = 256 * 1024;
const LIMIT = 16 * 1024 * 1024;
const LOOK_EVERY_MS = 60_000;
const TAIL = 3_000;

/** The file PostgreSQL writes to, bounded: 256 KiB of the past are kept at a start, 16 MiB while it runs. */
export interface ServerLog {
  readonly file: string;
  /** Open for appending, to hand to the server as its output. */
  readonly fd: number;
  /** Marks the place from which `tail` speaks. */
  mark(): void;
  /** The last lines since the mark, at most 3,000 characters; empty when nothing was written. */
  tail(): string;
  close(): void;
}

/** Opens (mode 0600) and shortens the log. */
export function openServerLog(file: string): ServerLog {
  const fd = openSync(file, 'a+', 0o600);
  giveOpenToOwnerOfFolder(fd, file);
  keepEnd(fd);
  let from = fstatSync(fd).size;
  const timer = setInterval(() => {
    // The server appends, so it goes on at the new end.
    if (fstatSync(fd).size > LIMIT) ftruncateSync(fd, 0);
  }, LOOK_EVERY_MS).unref();
  return {
    file,
    fd,
    mark() {
      from = fstatSync(fd).size;
    },
    tail() {
      const size = fstatSync(fd).size;
      return readRange(fd, Math.max(size < from ? 0 : from, size - TAIL), size).trim();
    },
    close() {
      clearInterval(timer);
      closeSync(fd);
    },
  };
}

function keepEnd(fd: number): void {
  const size = fstatSync(fd).size;
  if (size <= KEPT) return;
  const end = readRange(fd, size - KEPT, size);
  ftruncateSync(fd, 0);
  writeSync(fd, end.slice(end.indexOf('\n') + 1));
}

function readRange(fd: number, from: number, to: number): string {
  const buffer = Buffer.alloc(to - from);
  const read = readSync(fd, buffer, 0, buffer.length, from);
  return buffer.toString('utf8', 0, read);
}
