import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryGeneratedColumn } from 'typeorm';
import { WebhookRow } from './webhook.entity.js';

/** `pending` until it was delivered, or has failed as often as it may. */
export type DeliveryState = 'pending' | 'delivered' | 'failed';

/** One message to one address: written in the transaction of the event it tells of, sent afterwards. */
@Entity('webhook_delivery')
@Index('webhook_delivery_webhook', ['webhookId', 'createdAt', 'id'])
@Index('webhook_delivery_due', { synchronize: false })
@Index('webhook_delivery_created', ['createdAt'])
export class WebhookDeliveryRow {
  /** The receiver's `webhook-id`, the same at every attempt. */
  @PrimaryGeneratedColumn('uuid')
  id!: string;

  @Column('uuid', { name: 'webhook_id' })
  webhookId!: string;

  @ManyToOne(() => WebhookRow, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'webhook_id', foreignKeyConstraintName: 'webhook_delivery_webhook_fk' })
  webhook?: WebhookRow;

  @Column('text')
  event!: string;

  /** As it is sent: every attempt sends the same bytes. */
  @Column('text')
  body!: string;

  @Column('text', { default: 'pending' })
  state!: DeliveryState;

  @Column('integer', { default: 0 })
  attempts!: number;

  /** When it is tried next; while somebody has the lease, when that lapses. */
  @Column('timestamptz', { name: 'due_at', default: () => 'now()' })
  dueAt!: Date;

  /** Who is sending it: whoever holds another lease may not say how it ended. */
  @Column('uuid', { nullable: true })
  lease!: string | null;

  /** What the receiver answered last. */
  @Column('integer', { nullable: true })
  status!: number | null;

  /** Why the last attempt failed. */
  @Column('text', { nullable: true })
  detail!: string | null;

  @Column('timestamptz', { name: 'created_at', default: () => 'clock_timestamp()' })
  createdAt!: Date;

  @Column('timestamptz', { name: 'ended_at', nullable: true })
  endedAt!: Date | null;
}
