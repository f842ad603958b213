import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Projects, environments, flags with their targeting, cohorts with their members, the log of changes, and tokens. */
export class CreateFlags1764000000000 implements MigrationInterface {
  readonly name = 'CreateFlags1764000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE project (
        id integer GENERATED ALWAYS AS IDENTITY CONSTRAINT project_pkey PRIMARY KEY,
        key text NOT NULL,
        name text NOT NULL,
        description text NOT NULL DEFAULT '',
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE UNIQUE INDEX project_key ON project (lower(key));

      CREATE TABLE environment (
        id integer GENERATED ALWAYS AS IDENTITY CONSTRAINT environment_pkey PRIMARY KEY,
        project_id integer NOT NULL CONSTRAINT environment_project_fk REFERENCES project (id) ON DELETE CASCADE,
        key text NOT NULL,
        name text NOT NULL,
        description text NOT NULL DEFAULT '',
        version integer NOT NULL DEFAULT 1,
        snapshot_version integer NOT NULL,
        revision text NOT NULL,
        changed_at timestamptz NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE UNIQUE INDEX environment_key ON environment (project_id, lower(key));

      CREATE TABLE flag (
        id integer GENERATED ALWAYS AS IDENTITY CONSTRAINT flag_pkey PRIMARY KEY,
        project_id integer NOT NULL CONSTRAINT flag_project_fk REFERENCES project (id) ON DELETE CASCADE,
        key text NOT NULL,
        type text NOT NULL,
        name text NOT NULL,
        description text NOT NULL DEFAULT '',
        variants jsonb NOT NULL,
        variant_info jsonb NOT NULL DEFAULT '{}',
        default_variant text,
        tags text[] NOT NULL DEFAULT '{}',
        permanent boolean NOT NULL DEFAULT false,
        owner text,
        metadata jsonb NOT NULL DEFAULT '{}',
        archived_at timestamptz,
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE UNIQUE INDEX flag_key ON flag (project_id, lower(key));
      CREATE INDEX flag_tags ON flag USING gin (tags);

      CREATE TABLE targeting (
        flag_id integer NOT NULL CONSTRAINT targeting_flag_fk REFERENCES flag (id) ON DELETE CASCADE,
        environment_id integer NOT NULL CONSTRAINT targeting_environment_fk REFERENCES environment (id) ON DELETE CASCADE,
        document jsonb NOT NULL,
        version integer NOT NULL,
        cohorts text[] NOT NULL DEFAULT '{}',
        prerequisites text[] NOT NULL DEFAULT '{}',
        updated_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT targeting_pkey PRIMARY KEY (flag_id, environment_id)
      );
      CREATE INDEX targeting_environment ON targeting (environment_id);
      CREATE INDEX targeting_cohorts ON targeting USING gin (cohorts);
      CREATE INDEX targeting_prerequisites ON targeting USING gin (prerequisites);

      CREATE TABLE cohort (
        id integer GENERATED ALWAYS AS IDENTITY CONSTRAINT cohort_pkey PRIMARY KEY,
        project_id integer NOT NULL CONSTRAINT cohort_project_fk REFERENCES project (id) ON DELETE CASCADE,
        key text NOT NULL,
        name text NOT NULL,
        description text NOT NULL DEFAULT '',
        attribute text,
        rules jsonb NOT NULL DEFAULT '[]',
        cohorts text[] NOT NULL DEFAULT '{}',
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE UNIQUE INDEX cohort_key ON cohort (project_id, lower(key));

      CREATE TABLE cohort_member (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT cohort_member_pkey PRIMARY KEY,
        cohort_id integer NOT NULL,
        list text NOT NULL,
        unit text NOT NULL,
        added_by bigint NOT NULL,
        removed_by bigint
      );
      CREATE UNIQUE INDEX cohort_member_present ON cohort_member (cohort_id, md5(unit)) WHERE removed_by IS NULL;
      CREATE INDEX cohort_member_list ON cohort_member (cohort_id, list, id) WHERE removed_by IS NULL;
      CREATE INDEX cohort_member_added ON cohort_member (cohort_id, added_by);
      CREATE INDEX cohort_member_removed ON cohort_member (cohort_id, removed_by) WHERE removed_by IS NOT NULL;

      CREATE TABLE change (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT change_pkey PRIMARY KEY,
        at timestamptz NOT NULL,
        action text NOT NULL,
        project_id integer,
        project_key text,
        subject_type text NOT NULL,
        subject_key text NOT NULL,
        environment_key text,
        environments jsonb NOT NULL DEFAULT '[]',
        actor jsonb NOT NULL,
        request_id text,
        comment text,
        before jsonb,
        after jsonb
      );
      CREATE INDEX change_project ON change (project_id, id DESC);
      CREATE INDEX change_subject ON change (project_id, subject_type, subject_key, id DESC);

      CREATE TABLE environment_change (
        environment_id integer NOT NULL CONSTRAINT environment_change_environment_fk REFERENCES environment (id) ON DELETE CASCADE,
        version integer NOT NULL,
        revision text NOT NULL,
        at timestamptz NOT NULL,
        change_id bigint NOT NULL,
        patch jsonb NOT NULL,
        flags text[] NOT NULL,
        cohorts text[] NOT NULL,
        CONSTRAINT environment_change_pkey PRIMARY KEY (environment_id, version)
      );
      CREATE INDEX environment_change_change ON environment_change (change_id);
      CREATE INDEX environment_change_flags ON environment_change USING gin (flags);
      CREATE INDEX environment_change_cohorts ON environment_change USING gin (cohorts);

      CREATE TABLE token (
        id uuid NOT NULL DEFAULT gen_random_uuid() CONSTRAINT token_pkey PRIMARY KEY,
        name text NOT NULL,
        kind text NOT NULL,
        role text,
        project_id integer CONSTRAINT token_project_fk REFERENCES project (id) ON DELETE CASCADE,
        environment_ids integer[],
        hash bytea NOT NULL,
        hint text NOT NULL,
        tags text[],
        allowed_origins text[],
        expires_at timestamptz,
        last_used_at timestamptz,
        revoked_at timestamptz,
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE UNIQUE INDEX token_hash ON token (hash);

      CREATE TABLE idempotency (
        token_id text NOT NULL,
        method text NOT NULL,
        path text NOT NULL,
        key text NOT NULL,
        body_hash bytea NOT NULL,
        answer json,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT idempotency_pkey PRIMARY KEY (token_id, method, path, key)
      );
      CREATE INDEX idempotency_created ON idempotency (created_at);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TABLE idempotency, token, environment_change, change, cohort_member, cohort, targeting, flag, environment, project;
    `);
  }
}
