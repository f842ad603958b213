import { randomUUID } from 'node:crypto';
import { EMPTY_ARM, mergeArms, milliseconds, type OutcomeItem, type OutcomeReport, type Plan } from '@fledge/canary';
import type { DataSource } from 'typeorm';
import { SERVICE } from '../actor.js';
import { write, type Tx } from '../transaction.js';
import { Instances } from './instances.js';
import { claimReports } from './report-ids.js';
import { lockWindows, type Arms, type WindowKey } from './windows.js';

/** A validated report of an environment's SDK. */
export type ReceivedOutcomes = { readonly environmentId: number; readonly report: OutcomeReport };

/** What became of a report: how many of its items were counted, none when it had been counted before. */
export type Recorded = { readonly counted: number; readonly isRepeated: boolean };

/** What a process has added to one window, under a name that nobody else uses. */
type Part = { readonly part: string; readonly arms: Arms };

type Place = WindowKey & { readonly windowMs: number };
type Addition = { readonly place: Place; readonly arms: Arms };

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const MOST_EPOCHS_KNOWN = 10_000;
/** How long after its beginning a window may still be added to by this process. */
const PART_LIFE_MS = 600_000;

const NOTHING: Arms = { canary: EMPTY_ARM, baseline: EMPTY_ARM };

/**
 * Merges reports into windows, each report once, into the window in which it arrives by the database's clock. A process writes the
 * whole of what it has added to a window into a row of its own, so that replicas never wait for each other and nothing is read first.
 */
export class OutcomeStore {
  readonly #instances = new Instances();
  /** By window. What is in it is committed; after any failure it begins anew, as nobody knows what was. */
  readonly #parts = new Map<string, Part>();
  /** The window's length by environment, rollout and epoch, of those that exist. */
  readonly #epochs = new Map<string, number>();
  /** Batches are written one after the other: a part has one writer. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(private readonly dataSource: DataSource) {}

  /**
   * Adds a batch of reports: all of it is durable when this resolves, and nothing of it was written when it rejects (or it was, and
   * the same ids are refused next time). Items of rollouts or epochs that the environment does not have are passed over.
   */
  record(batch: readonly ReceivedOutcomes[]): Promise<readonly Recorded[]> {
    const result = this.#last.then(() => this.#record(batch));
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #record(batch: readonly ReceivedOutcomes[]): Promise<readonly Recorded[]> {
    try {
      const { recorded, parts, now, remember } = await write(this.dataSource, SERVICE, (tx) => this.#write(tx, batch));
      remember();
      for (const [key, part] of parts) this.#parts.set(key, part);
      for (const key of this.#parts.keys()) {
        if (now - Number(key.split(' ')[2]) > PART_LIFE_MS) this.#parts.delete(key);
      }
      return recorded;
    } catch (error) {
      this.#parts.clear();
      throw error;
    }
  }

  async #write(tx: Tx, batch: readonly ReceivedOutcomes[]) {
    const parts = new Map<string, Part>();
    const received = batch.map(({ environmentId, report }) => ({ environmentId, id: report.id, report }));
    const { fresh, now } = await claimReports(tx, received);
    const isFresh = new Set(fresh.map(({ report }) => report));
    if (isFresh.size > 0) await this.#learn(tx, fresh);
    const counted = new Map(
      fresh.map(({ environmentId, report }) => [
        report,
        report.items.flatMap((item) => this.#placed(environmentId, item, now)),
      ]),
    );
    const additions = merged([...counted.values()].flat());
    const locked = await lockWindows(tx, additions);
    for (const { place, arms } of locked) {
      const key = keyOf(place);
      const held = parts.get(key) ?? this.#parts.get(key) ?? { part: randomUUID(), arms: NOTHING };
      parts.set(key, { part: held.part, arms: mergeBoth(held.arms, arms) });
    }
    await writeParts(tx, parts);
    const remember = await this.#instances.write(
      tx,
      fresh.flatMap(({ report }) =>
        (counted.get(report) ?? []).map(({ place }) => ({ ...place, instance: report.instance })),
      ),
      now,
    );
    const recorded = batch.map(({ report }): Recorded => ({
      counted: counted.get(report)?.length ?? 0,
      isRepeated: !isFresh.has(report),
    }));
    return { recorded, parts, now, remember };
  }

  #placed(environmentId: number, { rollout, epoch, arm, first, metrics }: OutcomeItem, now: number): Addition[] {
    const windowMs = this.#epochs.get(`${environmentId} ${rollout} ${epoch}`);
    if (windowMs === undefined) return [];
    const place = { rolloutId: rollout, epoch, start: Math.floor(now / windowMs) * windowMs, windowMs };
    return [{ place, arms: { ...NOTHING, [arm]: { first, metrics } } }];
  }

  /** Looks up the epochs that are not known yet. */
  async #learn(tx: Tx, fresh: readonly ReceivedOutcomes[]): Promise<void> {
    const unknown = fresh.flatMap(({ environmentId, report }) =>
      report.items
        .filter(({ rollout, epoch }) => !this.#epochs.has(`${environmentId} ${rollout} ${epoch}`))
        .map(({ rollout }) => rollout),
    );
    const rollouts = [...new Set(unknown)].filter((rollout) => UUID.test(rollout));
    if (rollouts.length === 0) return;
    const rows = await tx.query<{ environmentId: number; id: string; epoch: number; window: Plan['window'] }[]>(
      `SELECT environment_id AS "environmentId", rollout.id, each.epoch, plan ->> 'window' AS window
       FROM rollout CROSS JOIN LATERAL (
         SELECT rollout.epoch UNION SELECT epoch FROM rollout_event WHERE rollout_id = rollout.id
       ) AS each WHERE rollout.id = ANY ($1::uuid[]) AND each.epoch IS NOT NULL`,
      [rollouts],
    );
    if (this.#epochs.size > MOST_EPOCHS_KNOWN) this.#epochs.clear();
    for (const { environmentId, id, epoch, window } of rows)
      this.#epochs.set(`${environmentId} ${id} ${epoch}`, milliseconds(window));
  }
}

const keyOf = ({ rolloutId, epoch, start }: WindowKey): string => `${rolloutId} ${epoch} ${start}`;

const mergeBoth = (one: Arms, other: Arms): Arms => ({
  canary: mergeArms(one.canary, other.canary),
  baseline: mergeArms(one.baseline, other.baseline),
});

/** One addition per window. */
function merged(additions: readonly Addition[]): readonly Addition[] {
  const byWindow = new Map<string, Addition>();
  for (const { place, arms } of additions) {
    const key = keyOf(place);
    byWindow.set(key, { place, arms: mergeBoth(byWindow.get(key)?.arms ?? NOTHING, arms) });
  }
  return [...byWindow.values()];
}

async function writeParts(tx: Tx, parts: ReadonlyMap<string, Part>): Promise<void> {
  if (parts.size === 0) return;
  const rows = [...parts].map(([key, { part, arms }]) => [...key.split(' '), part, JSON.stringify(arms)]);
  await tx.query(
    `INSERT INTO outcome_part (rollout_id, epoch, start, part, arms)
     SELECT rollout_id, epoch, start, part, arms::json
     FROM unnest($1::uuid[], $2::int[], $3::bigint[], $4::uuid[], $5::text[]) AS given (rollout_id, epoch, start, part, arms)
     ORDER BY 1, 2, 3, 4
     ON CONFLICT ON CONSTRAINT outcome_part_pkey DO UPDATE SET arms = excluded.arms`,
    [0, 1, 2, 3, 4].map((column) => rows.map((row) => row[column])),
  );
}
