import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What SDKs report. Nothing here references the tables of rollouts and flags: their locks and those of telemetry shall never wait for
 * each other, and what is left of something deleted goes with its age.
 */
export class CreateTelemetry1764300000000 implements MigrationInterface {
  readonly name = 'CreateTelemetry1764300000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE telemetry_report (
        environment_id integer NOT NULL,
        id text NOT NULL,
        received_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT telemetry_report_pkey PRIMARY KEY (environment_id, id)
      );
      CREATE INDEX telemetry_report_received ON telemetry_report (received_at);

      CREATE TABLE outcome_window (
        rollout_id uuid NOT NULL,
        epoch integer NOT NULL,
        start bigint NOT NULL,
        read_at timestamptz,
        CONSTRAINT outcome_window_pkey PRIMARY KEY (rollout_id, epoch, start)
      );
      CREATE INDEX outcome_window_start ON outcome_window (start);

      CREATE TABLE outcome_part (
        rollout_id uuid NOT NULL,
        epoch integer NOT NULL,
        start bigint NOT NULL,
        part uuid NOT NULL,
        arms json NOT NULL,
        CONSTRAINT outcome_part_pkey PRIMARY KEY (rollout_id, epoch, start, part),
        CONSTRAINT outcome_part_window_fk FOREIGN KEY (rollout_id, epoch, start)
          REFERENCES outcome_window (rollout_id, epoch, start) ON DELETE CASCADE
      );

      CREATE TABLE outcome_instance (
        rollout_id uuid NOT NULL,
        instance text NOT NULL,
        epoch integer NOT NULL,
        seen_at timestamptz NOT NULL,
        CONSTRAINT outcome_instance_pkey PRIMARY KEY (rollout_id, instance)
      );
      CREATE INDEX outcome_instance_seen ON outcome_instance (seen_at);

      CREATE TABLE exposure_minute (
        environment_id integer NOT NULL,
        flag_id integer NOT NULL,
        started_at timestamptz NOT NULL,
        variant text NOT NULL,
        n bigint NOT NULL,
        CONSTRAINT exposure_minute_pkey PRIMARY KEY (environment_id, flag_id, started_at, variant)
      );
      CREATE INDEX exposure_minute_started ON exposure_minute (started_at);

      CREATE TABLE exposure_hour (
        environment_id integer NOT NULL,
        flag_id integer NOT NULL,
        started_at timestamptz NOT NULL,
        variant text NOT NULL,
        n bigint NOT NULL,
        CONSTRAINT exposure_hour_pkey PRIMARY KEY (environment_id, flag_id, started_at, variant)
      );
      CREATE INDEX exposure_hour_started ON exposure_hour (started_at);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      `DROP TABLE exposure_hour, exposure_minute, outcome_instance, outcome_part, outcome_window, telemetry_report;`,
    );
  }
}
