import type { Tx } from '../transaction.js';

/** A process that reported an epoch of a rollout. */
export type Sighting = { readonly rolloutId: string; readonly instance: string; readonly epoch: number };

/** Who was seen lately, of a rollout: how many processes, how many of them at its newest epoch, and the oldest one seen. */
export type Seen = { readonly instances: number; readonly onEpoch: number; readonly oldestEpoch: number | null };

/** A process that says nothing new is written down again after so long. */
const AGAIN_MS = 30_000;
const MOST_REMEMBERED = 20_000;

/** Writes down which process serves which epoch, rarely: most reports say what is known. */
export class Instances {
  readonly #written = new Map<string, { readonly epoch: number; readonly at: number }>();

  /** Answers what is to be called when the transaction has committed. */
  async write(tx: Tx, sightings: readonly Sighting[], now: number): Promise<() => void> {
    const news = new Map<string, Sighting>();
    for (const sighting of sightings) {
      const key = `${sighting.rolloutId} ${sighting.instance}`;
      const epoch = Math.max(sighting.epoch, news.get(key)?.epoch ?? 0);
      const written = this.#written.get(key);
      if (written !== undefined && written.epoch >= epoch && now - written.at < AGAIN_MS) continue;
      news.set(key, { ...sighting, epoch });
    }
    if (news.size === 0) return () => undefined;
    const rows = [...news.values()];
    await tx.query(
      `INSERT INTO outcome_instance (rollout_id, instance, epoch, seen_at)
       SELECT *, clock_timestamp() FROM unnest($1::uuid[], $2::text[], $3::int[]) AS given (rollout_id, instance, epoch) ORDER BY 1, 2
       ON CONFLICT ON CONSTRAINT outcome_instance_pkey
       DO UPDATE SET epoch = greatest(outcome_instance.epoch, excluded.epoch), seen_at = excluded.seen_at`,
      [rows.map(({ rolloutId }) => rolloutId), rows.map(({ instance }) => instance), rows.map(({ epoch }) => epoch)],
    );
    return () => {
      if (this.#written.size > MOST_REMEMBERED) this.#written.clear();
      for (const [key, { epoch }] of news) this.#written.set(key, { epoch, at: now });
    };
  }
}

/** Which processes reported this rollout in the last minute, and how far they have come. */
export async function seenOf(
  tx: Tx,
  { id, epoch }: { readonly id: string; readonly epoch: number | null },
): Promise<Seen> {
  const [row] = await tx.query<Seen[]>(
    `SELECT count(*)::int AS instances, (count(*) FILTER (WHERE epoch >= $2))::int AS "onEpoch", min(epoch) AS "oldestEpoch"
     FROM outcome_instance WHERE rollout_id = $1 AND seen_at > clock_timestamp() - interval '1 minute'`,
    [id, epoch],
  );
  return row ?? { instances: 0, onEpoch: 0, oldestEpoch: null };
}
