import type { DataSource } from 'typeorm';
import type { Actor } from '../actor.js';
import { appendChange } from '../change-log.js';
import { iso } from '../documents.js';
import type { ProjectRow } from '../entities/project.entity.js';
import type { DeliveryState, WebhookDeliveryRow } from '../entities/webhook-delivery.entity.js';
import { DomainError, notFound } from '../errors.js';
import { findProject } from '../locate.js';
import { slice, toPage, type Page, type PageQuery } from '../page.js';
import { ROLLOUT_CHANNEL } from '../rollouts/channel.js';
import { clock } from '../rollouts/step.js';
import { read, write, type Tx } from '../transaction.js';
import { enqueue } from './outbox.js';
import { findWebhook } from './webhook-writes.js';

/** A message to a webhook, and what became of it. */
export type DeliveryDocument = {
  /** Also the `webhook-id` that the receiver sees, the same at every attempt. */
  readonly id: string;
  readonly event: string;
  readonly state: DeliveryState;
  readonly attempts: number;
  /** What the receiver answered last; null: it has not. */
  readonly status: number | null;
  /** Why the last attempt failed. */
  readonly detail: string | null;
  /** When it is tried next; null: no more. */
  readonly nextAttemptAt: string | null;
  readonly createdAt: string;
  readonly endedAt: string | null;
  /** What is sent. */
  readonly message: unknown;
};

export type DeliveryQuery = PageQuery & { readonly state?: DeliveryState | undefined };

type WebhookRef = { readonly project: string; readonly webhook: string };

const SORTS = { createdAt: { expression: 'part.created_at', type: 'timestamptz' } } as const;
const COLUMNS = `part.id, part.event, part.state, part.attempts, part.status, part.detail, part.due_at AS "dueAt",
                part.created_at AS "createdAt", part.ended_at AS "endedAt", part.body`;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** What was sent to a webhook lately, and what is still to be sent. */
export class DeliveryStore {
  constructor(private readonly dataSource: DataSource) {}

  /** The newest first. `environments`: only what tells of these. */
  async list(
    { project, webhook }: WebhookRef,
    query: DeliveryQuery,
    environments?: readonly string[],
  ): Promise<Page<DeliveryDocument>> {
    const part = slice(query, SORTS, '-createdAt', { expression: 'part.id', type: 'uuid' }, 5);
    return read(async () => {
      const { manager } = this.dataSource;
      const { id } = await findWebhook(manager, await findProject(manager, project), webhook);
      const rows = await this.dataSource.query<(WebhookDeliveryRow & { cursorValue: string })[]>(
        `SELECT ${COLUMNS}, ${part.cursorValue} AS "cursorValue" FROM webhook_delivery AS part
         WHERE webhook_id = $1 AND ($2::text IS NULL OR state = $2)
           AND ($3::text[] IS NULL OR body::jsonb #>> '{data,environment}' = ANY ($3)) AND ${part.where}
         ORDER BY ${part.orderBy} LIMIT $4`,
        [id, query.state ?? null, environments ?? null, query.limit + 1, ...part.parameters],
      );
      return toPage(rows, query.limit, part.sort, deliveryDocument);
    });
  }

  /** Sends a message that tells of nothing, to see whether it arrives. */
  async test(by: Actor, { project, webhook }: WebhookRef): Promise<DeliveryDocument> {
    return write(this.dataSource, by, async (tx) => {
      const owner = await findProject(tx, project);
      const { id } = await findWebhook(tx, owner, webhook);
      const event = 'webhook.test';
      const timestamp = (await clock(tx)).toISOString();
      const [made = ''] = await enqueue(tx, [id], event, { type: event, timestamp, data: { project, webhook } });
      return noted(tx, by, owner, webhook, made);
    });
  }

  /** Sends one again, as the same message, with as many attempts as a new one. @throws DomainError `illegal_transition` while it is being sent anyway */
  async retry(by: Actor, { project, webhook }: WebhookRef, delivery: string): Promise<DeliveryDocument> {
    return write(this.dataSource, by, async (tx) => {
      const owner = await findProject(tx, project);
      const { id } = await findWebhook(tx, owner, webhook);
      const found = UUID.test(delivery)
        ? await tx.query<{ state: DeliveryState }[]>(
            `SELECT state FROM webhook_delivery WHERE id = $1 AND webhook_id = $2 FOR UPDATE`,
            [delivery, id],
          )
        : [];
      const [row] = found;
      if (row === undefined) throw notFound('delivery', delivery);
      if (row.state === 'pending')
        throw new DomainError('illegal_transition', 'The delivery is being tried by itself; see nextAttemptAt.', {
          state: row.state,
        });
      await tx.query(
        `UPDATE webhook_delivery SET state = 'pending', attempts = 0, lease = NULL, due_at = clock_timestamp(), ended_at = NULL WHERE id = $1`,
        [delivery],
      );
      return noted(tx, by, owner, webhook, delivery);
    });
  }
}

/** Wakes who sends, and leaves word in the log of who asked for it. */
async function noted(tx: Tx, by: Actor, project: ProjectRow, webhook: string, id: string): Promise<DeliveryDocument> {
  await tx.query(`SELECT pg_notify($1, '')`, [ROLLOUT_CHANNEL]);
  const rows = await tx.query<WebhookDeliveryRow[]>(`SELECT ${COLUMNS} FROM webhook_delivery AS part WHERE id = $1`, [
    id,
  ]);
  const [row] = rows;
  if (row === undefined) throw notFound('delivery', id);
  const document = deliveryDocument(row);
  const after = { delivery: id, event: row.event };
  const subject = { type: 'webhook', key: webhook } as const;
  await appendChange(tx, by, { action: 'webhook.sent', project, subject, before: null, after });
  return document;
}

const deliveryDocument = (row: WebhookDeliveryRow): DeliveryDocument => ({
  id: row.id,
  event: row.event,
  state: row.state,
  attempts: row.attempts,
  status: row.status,
  detail: row.detail,
  nextAttemptAt: row.state === 'pending' ? iso(row.dueAt) : null,
  createdAt: iso(row.createdAt),
  endedAt: row.endedAt === null ? null : iso(row.endedAt),
  message: JSON.parse(row.body),
});
