import { type EmbeddedPostgres, type EmbeddedPostgresOptions, start } from './start.js';

export { EmbeddedPostgresError, type EmbeddedPostgresProblem } from './errors.js';
export { urlOfRunning } from './running.js';
export type { EmbeddedPostgres, EmbeddedPostgresOptions } from './start.js';

/**
 * Starts a real PostgreSQL as a child process and keeps it running until `stop()` or the end of this process, however
 * that comes; what is committed survives both. As root too, without making an account. Call it from the main thread.
 * Throws `EmbeddedPostgresError` with what to do, and leaves nothing running then.
 */
export function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  return start(options);
}
