import type { DataSource } from 'typeorm';
import type { DeliveryState } from '../entities/webhook-delivery.entity.js';
import type { Sealer } from '../sealing.js';
import { read } from '../transaction.js';
import { sealedFor } from './webhooks.js';

/** A delivery that is this process's to attempt until its lease lapses. */
export type ClaimedDelivery = {
  readonly id: string;
  /** The fencing token: who holds another one has lost it. */
  readonly lease: string;
  readonly webhookId: string;
  readonly webhook: string;
  readonly project: string;
  readonly url: string;
  readonly event: string;
  readonly body: string;
  /** Counts from 1. */
  readonly attempt: number;
  readonly sealed: readonly Buffer[];
};

/** How an attempt ended. `final`: trying again is no use. */
export type Attempted =
  | { readonly delivered: true; readonly status: number }
  | {
      readonly delivered: false;
      readonly status: number | null;
      readonly detail: string;
      readonly final: boolean;
      /** The receiver does not want to be asked again before so many milliseconds. */
      readonly notBeforeMs?: number | undefined;
    };

/** How often is tried, and how long is waited: the first time about `firstDelayMs`, four times as long each time, at most `longestDelayMs`. */
export type RetryPlan = { readonly attempts: number; readonly firstDelayMs: number; readonly longestDelayMs: number };

/** Longer than an attempt may take; a process that died gives up its deliveries after it. */
const LEASE_MS = 90_000;
const GROWTH = 4;

/** How long to wait after an attempt (counted from 1): exponential, between the half and the whole of it at random, so that what failed together does not come back together. */
export function delayAfter(attempt: number, { firstDelayMs, longestDelayMs }: RetryPlan, random: number): number {
  return Math.min(firstDelayMs * GROWTH ** (attempt - 1), longestDelayMs) * (0.5 + random / 2);
}

/**
 * What carries messages out does with the database: claims one, and says how it ended. The lease is the time at which the delivery is
 * due again: who dies leaves nothing behind, and who comes late with another lease says nothing. No transaction is open meanwhile.
 */
export class WebhookDelivering {
  constructor(
    private readonly dataSource: DataSource,
    private readonly sealer: Sealer,
    private readonly retries: RetryPlan,
  ) {}

  /**
   * The delivery that is due longest; undefined when none is. A webhook is sent one message at a time, so that an address that does
   * not answer takes up no more than one place. Also what is due in the far future is due: then the clock was set back.
   */
  async claim(): Promise<ClaimedDelivery | undefined> {
    const rows = await read(() =>
      this.dataSource.query<(Omit<ClaimedDelivery, 'sealed'> & { secret: Buffer; oldSecret: Buffer | null })[]>(
        `WITH due AS (
           SELECT delivery.id FROM webhook_delivery AS delivery JOIN webhook ON webhook.id = delivery.webhook_id
           WHERE delivery.state = 'pending' AND webhook.enabled
             AND (delivery.due_at <= clock_timestamp() OR delivery.due_at > clock_timestamp() + interval '2 days')
             AND NOT EXISTS (
               SELECT 1 FROM webhook_delivery AS other
               WHERE other.webhook_id = delivery.webhook_id AND other.state = 'pending' AND other.lease IS NOT NULL
                 AND other.due_at BETWEEN clock_timestamp() AND clock_timestamp() + $1 * interval '1 millisecond')
           ORDER BY delivery.due_at, delivery.created_at LIMIT 1 FOR UPDATE OF delivery SKIP LOCKED
         ), claimed AS (
           UPDATE webhook_delivery AS delivery
           SET lease = gen_random_uuid(), attempts = attempts + 1, due_at = clock_timestamp() + $1 * interval '1 millisecond'
           FROM due WHERE delivery.id = due.id RETURNING delivery.*
         )
         SELECT claimed.id, claimed.lease, claimed.webhook_id AS "webhookId", webhook.key AS webhook, project.key AS project, webhook.url,
                claimed.event, claimed.body, claimed.attempts AS attempt, webhook.secret,
                CASE WHEN webhook.old_secret_until > clock_timestamp() THEN webhook.old_secret END AS "oldSecret"
         FROM claimed JOIN webhook ON webhook.id = claimed.webhook_id JOIN project ON project.id = webhook.project_id`,
        [LEASE_MS],
      ),
    );
    const [row] = rows;
    if (row === undefined) return undefined;
    const { secret, oldSecret, ...claimed } = row;
    return { ...claimed, sealed: oldSecret === null ? [secret] : [secret, oldSecret] };
  }

  /** With what it is to be signed, the newest first. @throws SealError when a key is missing */
  async secretsOf({ webhookId, sealed }: Pick<ClaimedDelivery, 'webhookId' | 'sealed'>): Promise<readonly string[]> {
    return Promise.all(sealed.map((each) => this.sealer.open(each, sealedFor(webhookId))));
  }

  /** Writes down how an attempt ended; undefined: the lease had lapsed, and somebody else has it. */
  async finish(
    { id, lease, attempt }: Pick<ClaimedDelivery, 'id' | 'lease' | 'attempt'>,
    attempted: Attempted,
  ): Promise<DeliveryState | undefined> {
    const state = stateAfter(attempt, attempted, this.retries);
    const notBefore = attempted.delivered ? 0 : Math.min(attempted.notBeforeMs ?? 0, this.retries.longestDelayMs);
    const delay = Math.max(delayAfter(attempt, this.retries, Math.random()), notBefore);
    const rows = await read(() =>
      this.dataSource.query<unknown[]>(
        `WITH ended AS (
           UPDATE webhook_delivery
           SET state = $3, status = $4, detail = $5, lease = NULL,
               due_at = CASE WHEN $3 = 'pending' THEN clock_timestamp() + $6 * interval '1 millisecond' ELSE due_at END,
               ended_at = CASE WHEN $3 = 'pending' THEN NULL ELSE clock_timestamp() END
           WHERE id = $1 AND lease = $2 RETURNING id)
         SELECT id FROM ended`,
        [id, lease, state, attempted.status, attempted.delivered ? null : attempted.detail, delay],
      ),
    );
    return rows.length === 0 ? undefined : state;
  }

  /** Gives a delivery back that was not attempted to its end: the process is to stop. */
  async release({ id, lease }: Pick<ClaimedDelivery, 'id' | 'lease'>): Promise<void> {
    await read(() =>
      this.dataSource.query(
        `UPDATE webhook_delivery SET lease = NULL, due_at = clock_timestamp(), attempts = attempts - 1
         WHERE id = $1 AND lease = $2`,
        [id, lease],
      ),
    );
  }

  /** How many deliveries there are in each state. */
  async states(): Promise<Readonly<Record<string, number>>> {
    const rows = await read(() =>
      this.dataSource.query<{ state: string; count: number }[]>(
        `SELECT state, count(*)::int AS count FROM webhook_delivery GROUP BY state`,
      ),
    );
    return {
      pending: 0,
      delivered: 0,
      failed: 0,
      ...Object.fromEntries(rows.map(({ state, count }) => [state, count])),
    };
  }
}

function stateAfter(attempt: number, attempted: Attempted, { attempts }: RetryPlan): DeliveryState {
  if (attempted.delivered) return 'delivered';
  return attempted.final || attempt >= attempts ? 'failed' : 'pending';
}
