import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Secrets of this installation that nobody chooses and every replica shares. */
export class CreateSecrets1764100000000 implements MigrationInterface {
  readonly name = 'CreateSecrets1764100000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE secret (
        name text NOT NULL CONSTRAINT secret_pkey PRIMARY KEY,
        value bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
      );
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE secret;`);
  }
}
