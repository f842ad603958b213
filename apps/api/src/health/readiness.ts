import { setTimeout as sleep } from 'node:timers/promises';
import { DomainError } from '@fledge/store';
import type { FastifyInstance } from 'fastify';
import type { Logger } from '../log.js';

export type ReadinessState = {
  readonly ready: boolean;
  readonly database: 'reachable' | 'unreachable';
  readonly schema: 'current' | 'behind' | 'unknown';
  /** `listening`: changes are pushed; `polling`: this replica reads the log every second because LISTEN cannot be had. */
  readonly changes: 'listening' | 'polling';
  readonly draining: boolean;
};

type Probes = { readonly database: () => Promise<{ migrated: boolean }>; readonly listening: () => boolean };

/** Who asks gives up soon; a database that does not answer by then is away. */
const PROBE_MS = 2_000;

/**
 * Whether this replica should be sent requests: not before its start is over, however long it waits for the database, and not once it
 * shuts down. Falls first then, so that load balancers look away in time.
 */
export class Readiness {
  #phase: 'starting' | 'serving' | 'draining' = 'starting';
  readonly #probes: Probes;
  readonly #log: Logger;

  constructor(probes: Probes, log: Logger) {
    this.#probes = probes;
    this.#log = log;
  }

  get starting(): boolean {
    return this.#phase === 'starting';
  }

  /** The start is over: all that requests need is there. */
  begin(): void {
    if (this.starting) this.#phase = 'serving';
  }

  drain(): void {
    this.#phase = 'draining';
  }

  async state(): Promise<ReadinessState> {
    const { database, schema } = await this.#database();
    return {
      ready: database === 'reachable' && schema === 'current' && this.#phase === 'serving',
      database,
      schema,
      changes: this.#probes.listening() ? 'listening' : 'polling',
      draining: this.#phase === 'draining',
    };
  }

  async #database(): Promise<Pick<ReadinessState, 'database' | 'schema'>> {
    // There is no connection to ask with yet; the log says what the start waits for.
    if (this.starting) return { database: 'unreachable', schema: 'unknown' };
    try {
      const { migrated } = await Promise.race([this.#probes.database(), late()]);
      return { database: 'reachable', schema: migrated ? 'current' : 'behind' };
    } catch (error) {
      this.#log.warn({ err: error }, 'the database did not answer the readiness probe');
      return { database: 'unreachable', schema: 'unknown' };
    }
  }
}

async function late(): Promise<never> {
  await sleep(PROBE_MS, undefined, { ref: false });
  throw new Error(`The database has not answered for ${PROBE_MS} ms.`);
}

/** Until the start is over nobody is answered but who asks how it goes: what answers are made of is not there yet. */
export function refuseWhileStarting(server: FastifyInstance, readiness: Readiness): void {
  server.addHook('onRequest', ({ url }, _reply, done) => {
    if (!readiness.starting || /^\/(health\/|metrics)/.test(url)) return done();
    done(
      new DomainError('database_unavailable', 'This replica is starting and waits for the database; try again soon.', {
        retryAfter: 2,
      }),
    );
  });
}
