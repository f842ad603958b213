import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Why a rollout stands where it stands, in words; and when its webhook gates are asked next, and by whom. */
export class AddDetailAndGatesToRollout1764800000000 implements MigrationInterface {
  readonly name = 'AddDetailAndGatesToRollout1764800000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE rollout ADD COLUMN detail text, ADD COLUMN gate_due_at timestamptz, ADD COLUMN gate_lease uuid;
      CREATE INDEX rollout_gate_due ON rollout (gate_due_at) WHERE gate_due_at IS NOT NULL;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE rollout DROP COLUMN gate_lease, DROP COLUMN gate_due_at, DROP COLUMN detail;
    `);
  }
}
