import type { JsonValue } from '@fledge/evaluation';
import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** The answer a write gave, kept for 24 hours so that the same request is answered the same way and done once. */
@Entity('idempotency')
@Index('idempotency_created', ['createdAt'])
export class IdempotencyRow {
  @PrimaryColumn('text', { name: 'token_id', primaryKeyConstraintName: 'idempotency_pkey' })
  tokenId!: string;

  @PrimaryColumn('text', { primaryKeyConstraintName: 'idempotency_pkey' })
  method!: string;

  @PrimaryColumn('text', { primaryKeyConstraintName: 'idempotency_pkey' })
  path!: string;

  @PrimaryColumn('text', { primaryKeyConstraintName: 'idempotency_pkey' })
  key!: string;

  @Column('bytea', { name: 'body_hash' })
  bodyHash!: Buffer;

  /** As text, so that the answer is repeated byte for byte. */
  @Column('json', { nullable: true })
  answer!: JsonValue;

  @Column('timestamptz', { name: 'created_at', default: () => 'now()' })
  createdAt!: Date;
}
