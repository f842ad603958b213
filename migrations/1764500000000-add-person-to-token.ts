import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Whose session a token is. */
export class AddPersonToToken1764500000000 implements MigrationInterface {
  readonly name = 'AddPersonToToken1764500000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE token ADD COLUMN person text');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE token DROP COLUMN person');
  }
}
