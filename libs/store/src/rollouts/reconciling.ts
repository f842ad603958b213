import type { DataSource } from 'typeorm';
import { RECONCILER } from '../actor.js';
import { RolloutRow } from '../entities/rollout.entity.js';
import { DEFAULT_LIMITS, type Limits } from '../limits.js';
import { read, updateRow, type Tx } from '../transaction.js';
import { placeOfRollout } from './find.js';
import { clock, takeStep } from './step.js';
import { backOffMs } from './tick-clock.js';
import { pauseStep, tick, type ReadWindows, type Ticked } from './tick.js';

/** A tick that failed; the rollout is left alone for a while. */
export class TickFailed extends Error {
  constructor(
    readonly rollout: string,
    cause: unknown,
  ) {
    super(`The tick of the rollout ${rollout} failed.`, { cause });
    this.name = 'TickFailed';
  }
}

/** So many failures in a row pause a rollout. */
const MOST_FAILURES = 5;

/**
 * What the reconciler does with the database: one rollout at a time, each in one short transaction. The lock of the row is the whole
 * ownership, so that any number of replicas act once, and one that is killed leaves nothing behind.
 */
export class RolloutReconciling {
  constructor(
    private readonly dataSource: DataSource,
    private readonly readWindows: ReadWindows,
    private readonly limits: Limits = DEFAULT_LIMITS,
  ) {}

  /**
   * Claims the rollout that is due longest, decides about it and does what was decided; undefined when none is due. `at` stands in
   * for the database's clock. @throws TickFailed after the rollout was put back
   */
  async tick(at?: Date): Promise<Ticked | undefined> {
    let claimed: RolloutRow | undefined;
    try {
      return await this.dataSource.transaction(async (tx) => {
        await tx.query(`SELECT set_config('lock_timeout', '2s', true), set_config('statement_timeout', '5s', true)`);
        claimed = await claim(tx, at);
        if (claimed === undefined) return undefined;
        const now = at ?? (await clock(tx));
        return tick({ tx, now, limits: this.limits, readWindows: this.readWindows }, claimed);
      });
    } catch (error) {
      if (claimed === undefined) throw error;
      await this.#putBack(claimed, at);
      throw new TickFailed(claimed.id, error);
    }
  }

  /** How many rollouts there are in each state. */
  async states(): Promise<Readonly<Record<string, number>>> {
    const rows = await read(() =>
      this.dataSource.query<{ state: string; count: number }[]>(
        `SELECT state, count(*)::int AS count FROM rollout GROUP BY state`,
      ),
    );
    return Object.fromEntries(rows.map(({ state, count }) => [state, count]));
  }

  /** For how many seconds the rollout that is due longest has been; 0 when none is. */
  async lagSeconds(): Promise<number> {
    const rows = await read(() =>
      this.dataSource.query<{ seconds: number }[]>(
        `SELECT coalesce(extract(epoch FROM now() - min(next_check_at)), 0)::float8 AS seconds
         FROM rollout WHERE next_check_at <= now()`,
      ),
    );
    return rows[0]?.seconds ?? 0;
  }

  /** In a transaction of its own, since the tick's is gone: later, and after the fifth time not before somebody has looked. */
  async #putBack(claimed: RolloutRow, at: Date | undefined): Promise<void> {
    await this.dataSource.transaction(async (tx) => {
      const rollout = await tx.findOne(RolloutRow, {
        where: { id: claimed.id, version: claimed.version },
        lock: { mode: 'pessimistic_write', onLocked: 'skip_locked' },
      });
      if (rollout === null) return;
      const now = at ?? (await clock(tx));
      const failures = rollout.failures + 1;
      const nextCheckAt = new Date(now.getTime() + backOffMs(failures));
      if (failures < MOST_FAILURES || rollout.state !== 'running') {
        await updateRow(tx, RolloutRow, { id: rollout.id }, { failures, nextCheckAt });
        return;
      }
      const place = await placeOfRollout(tx, rollout);
      const detail = `Its ticks failed ${failures} times in a row; the log has the reason.`;
      const step = pauseStep('engine_error', detail, nextCheckAt);
      await takeStep(tx, RECONCILER, place, rollout, step, this.limits, now);
    });
  }
}

/** Also what is far in the future is due: then the clock was set back. */
async function claim(tx: Tx, at: Date | undefined): Promise<RolloutRow | undefined> {
  const found = await tx.query<{ id: string }[]>(
    `SELECT id FROM rollout
     WHERE next_check_at <= coalesce($1::timestamptz, now())
        OR next_check_at > coalesce($1::timestamptz, now()) + interval '2 minutes'
     ORDER BY next_check_at LIMIT 1 FOR UPDATE SKIP LOCKED`,
    [at ?? null],
  );
  const [first] = found;
  return first === undefined ? undefined : tx.findOneByOrFail(RolloutRow, { id: first.id });
}
