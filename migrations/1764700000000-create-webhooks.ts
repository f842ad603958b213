import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Where rollouts are told of, and what is still to be sent there: written with the event it tells of, delivered later. */
export class CreateWebhooks1764700000000 implements MigrationInterface {
  readonly name = 'CreateWebhooks1764700000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE webhook (
        id uuid NOT NULL DEFAULT gen_random_uuid() CONSTRAINT webhook_pkey PRIMARY KEY,
        project_id integer NOT NULL CONSTRAINT webhook_project_fk REFERENCES project (id) ON DELETE CASCADE,
        key text NOT NULL,
        description text NOT NULL DEFAULT '',
        url text NOT NULL,
        events text[] NOT NULL,
        environment_ids integer[],
        enabled boolean NOT NULL DEFAULT true,
        secret bytea NOT NULL,
        old_secret bytea,
        old_secret_until timestamptz,
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE UNIQUE INDEX webhook_key ON webhook (project_id, lower(key));

      CREATE TABLE webhook_delivery (
        id uuid NOT NULL DEFAULT gen_random_uuid() CONSTRAINT webhook_delivery_pkey PRIMARY KEY,
        webhook_id uuid NOT NULL CONSTRAINT webhook_delivery_webhook_fk REFERENCES webhook (id) ON DELETE CASCADE,
        event text NOT NULL,
        body text NOT NULL,
        state text NOT NULL DEFAULT 'pending',
        attempts integer NOT NULL DEFAULT 0,
        due_at timestamptz NOT NULL DEFAULT now(),
        lease uuid,
        status integer,
        detail text,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        ended_at timestamptz
      );
      CREATE INDEX webhook_delivery_webhook ON webhook_delivery (webhook_id, created_at, id);
      CREATE INDEX webhook_delivery_due ON webhook_delivery (due_at) WHERE state = 'pending';
      CREATE INDEX webhook_delivery_created ON webhook_delivery (created_at);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE webhook_delivery, webhook;`);
  }
}
