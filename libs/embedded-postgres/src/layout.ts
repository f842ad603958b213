import { join } from 'node:path';

/** Where everything of one embedded PostgreSQL lies; nothing is ever written outside `dataDir`. */
export interface Layout {
  readonly dataDir: string;
  /** PostgreSQL's own data directory. */
  readonly cluster: string;
  /** Password and port, mode 0600. */
  readonly state: string;
  readonly lock: string;
  readonly log: string;
  /** Shared-library links, only where node_modules is read-only. */
  readonly links: string;
}

/** `dataDir` must be absolute and free of symbolic links, so that it can be compared with what the kernel says. */
export function layoutOf(dataDir: string): Layout {
  return {
    dataDir,
    cluster: join(dataDir, 'postgres'),
    state: join(dataDir, 'postgres.json'),
    lock: join(dataDir, 'postgres.lock'),
    log: join(dataDir, 'postgres.log'),
    links: join(dataDir, 'postgres-links'),
  };
}
