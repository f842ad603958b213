import { setTimeout as sleep } from 'node:timers/promises';
import { DomainError, toDomainError } from '@fledge/store';
import type { Logger } from '../log.js';

const FIRST_DELAY_MS = 200;
const LONGEST_DELAY_MS = 5_000;

/**
 * Does one step of the start, again and again while the database is away, at random within 5 s, each time with a line in the log.
 * The step may be cut short anywhere, so it has to bear being done twice. @throws whatever no waiting mends, such as a wrong password
 */
export async function whenDatabaseIsThere<T>(step: () => Promise<T>, log: Logger): Promise<T> {
  for (let delay = FIRST_DELAY_MS; ; delay = Math.min(delay * 2, LONGEST_DELAY_MS)) {
    try {
      return await step();
    } catch (error) {
      const known = toDomainError(error);
      if (!(known instanceof DomainError) || known.code !== 'database_unavailable') throw error;
      log.warn({ err: error }, 'the start waits for the database');
    }
    // Full jitter, as everywhere: many replicas that wait for one database do not come at the same moment.
    await sleep(Math.random() * delay);
  }
}
