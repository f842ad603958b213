import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Canary rollouts with their plans, what was decided about them and why, and what is still to be sent about them. */
export class CreateRollouts1764200000000 implements MigrationInterface {
  readonly name = 'CreateRollouts1764200000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE rollout_plan (
        id integer GENERATED ALWAYS AS IDENTITY CONSTRAINT rollout_plan_pkey PRIMARY KEY,
        project_id integer NOT NULL CONSTRAINT rollout_plan_project_fk REFERENCES project (id) ON DELETE CASCADE,
        key text NOT NULL,
        name text NOT NULL,
        description text NOT NULL DEFAULT '',
        document jsonb NOT NULL,
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE UNIQUE INDEX rollout_plan_key ON rollout_plan (project_id, lower(key));

      CREATE TABLE rollout (
        id uuid NOT NULL DEFAULT gen_random_uuid() CONSTRAINT rollout_pkey PRIMARY KEY,
        project_id integer NOT NULL CONSTRAINT rollout_project_fk REFERENCES project (id) ON DELETE CASCADE,
        environment_id integer NOT NULL CONSTRAINT rollout_environment_fk REFERENCES environment (id) ON DELETE CASCADE,
        flag_id integer NOT NULL CONSTRAINT rollout_flag_fk REFERENCES flag (id) ON DELETE CASCADE,
        external_key text,
        state text NOT NULL,
        phase text,
        stage integer NOT NULL DEFAULT 0,
        percentage double precision NOT NULL DEFAULT 0,
        canary text NOT NULL,
        baseline text NOT NULL,
        audience jsonb NOT NULL DEFAULT '[]',
        bucket_by text NOT NULL,
        salt text NOT NULL,
        position jsonb NOT NULL,
        rule_id text NOT NULL,
        plan_key text,
        plan jsonb NOT NULL,
        options jsonb NOT NULL DEFAULT '{}',
        epoch integer,
        reasons jsonb NOT NULL DEFAULT '[]',
        baked_ms double precision NOT NULL DEFAULT 0,
        overridden jsonb NOT NULL DEFAULT '[]',
        evidence jsonb,
        approvals jsonb NOT NULL DEFAULT '[]',
        verdicts jsonb NOT NULL DEFAULT '{}',
        gates jsonb NOT NULL DEFAULT '{}',
        start_at timestamptz,
        started_at timestamptz,
        ended_at timestamptz,
        last_tick_at timestamptz,
        next_check_at timestamptz,
        watch_until timestamptz,
        failures integer NOT NULL DEFAULT 0,
        started_by jsonb NOT NULL,
        retry_of uuid,
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE UNIQUE INDEX rollout_live ON rollout (flag_id, environment_id) WHERE state IN ('scheduled', 'running', 'paused');
      CREATE UNIQUE INDEX rollout_external_key ON rollout (environment_id, external_key) WHERE external_key IS NOT NULL;
      CREATE INDEX rollout_due ON rollout (next_check_at) WHERE next_check_at IS NOT NULL;
      CREATE INDEX rollout_environment ON rollout (environment_id, created_at);

      CREATE TABLE rollout_event (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT rollout_event_pkey PRIMARY KEY,
        rollout_id uuid NOT NULL CONSTRAINT rollout_event_rollout_fk REFERENCES rollout (id) ON DELETE CASCADE,
        at timestamptz NOT NULL,
        type text NOT NULL,
        state text NOT NULL,
        phase text,
        stage integer NOT NULL,
        percentage double precision NOT NULL,
        epoch integer,
        reason text,
        detail text,
        comment text,
        actor jsonb NOT NULL
      );
      CREATE INDEX rollout_event_rollout ON rollout_event (rollout_id, id);

      CREATE TABLE rollout_decision (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT rollout_decision_pkey PRIMARY KEY,
        rollout_id uuid NOT NULL CONSTRAINT rollout_decision_rollout_fk REFERENCES rollout (id) ON DELETE CASCADE,
        at timestamptz NOT NULL,
        epoch integer NOT NULL,
        stage integer NOT NULL,
        percentage double precision NOT NULL,
        decision text NOT NULL,
        reasons jsonb NOT NULL,
        detail text NOT NULL,
        baked_ms double precision NOT NULL
      );
      CREATE INDEX rollout_decision_rollout ON rollout_decision (rollout_id, id);

      CREATE TABLE rollout_check (
        decision_id bigint NOT NULL CONSTRAINT rollout_check_decision_fk REFERENCES rollout_decision (id) ON DELETE CASCADE,
        guardrail integer NOT NULL,
        name text NOT NULL,
        log_e double precision,
        log_limit double precision,
        canary jsonb,
        control jsonb,
        verdict text NOT NULL,
        CONSTRAINT rollout_check_pkey PRIMARY KEY (decision_id, guardrail)
      );
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE rollout_check, rollout_decision, rollout_event, rollout, rollout_plan;`);
  }
}
