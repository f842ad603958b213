import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A log that nobody rewrites, what undoing a change needs, protected environments, and tokens that take over from others. */
export class GuardChanges1764400000000 implements MigrationInterface {
  readonly name = 'GuardChanges1764400000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE environment ADD COLUMN protected boolean NOT NULL DEFAULT false;
      ALTER TABLE token ADD COLUMN replaces uuid;
      CREATE INDEX token_replaces ON token (replaces) WHERE replaces IS NOT NULL;
      ALTER TABLE change ADD COLUMN reverts bigint;

      CREATE TABLE change_undo (
        change_id bigint NOT NULL CONSTRAINT change_undo_pkey PRIMARY KEY,
        content jsonb NOT NULL
      );

      CREATE FUNCTION refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE EXCEPTION 'The log of changes is only ever appended to: % on % is refused.', TG_OP, TG_TABLE_NAME
          USING ERRCODE = 'restrict_violation';
      END $$;
      CREATE TRIGGER change_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON change
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
      CREATE TRIGGER change_undo_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON change_undo
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
      ALTER TABLE change ENABLE ALWAYS TRIGGER change_append_only;
      ALTER TABLE change_undo ENABLE ALWAYS TRIGGER change_undo_append_only;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TRIGGER change_append_only ON change;
      DROP TABLE change_undo;
      DROP FUNCTION refuse_rewriting();
      ALTER TABLE change DROP COLUMN reverts;
      ALTER TABLE token DROP COLUMN replaces;
      ALTER TABLE environment DROP COLUMN protected;
    `);
  }
}
