import type { JsonValue } from '@fledge/evaluation';
import { Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';

/** Who changed what, when and why. References nothing, so that it outlives what it describes. */
@Entity('change')
@Index('change_project', { synchronize: false })
@Index('change_subject', { synchronize: false })
export class ChangeRow {
  @PrimaryGeneratedColumn('identity', { type: 'bigint', generatedIdentity: 'ALWAYS' })
  id!: string;

  @Column('timestamptz')
  at!: Date;

  @Column('text')
  action!: string;

  @Column('integer', { name: 'project_id', nullable: true })
  projectId!: number | null;

  @Column('text', { name: 'project_key', nullable: true })
  projectKey!: string | null;

  @Column('text', { name: 'subject_type' })
  subjectType!: string;

  @Column('text', { name: 'subject_key' })
  subjectKey!: string;

  /** The environment the request named, if it named one. */
  @Column('text', { name: 'environment_key', nullable: true })
  environmentKey!: string | null;

  /** The environments touched with the version each got: [{key, version}]. */
  @Column('jsonb', { default: [] })
  environments!: { key: string; version: number }[];

  @Column('jsonb')
  actor!: { id: string; name: string; kind: string };

  @Column('text', { name: 'request_id', nullable: true })
  requestId!: string | null;

  @Column('text', { nullable: true })
  comment!: string | null;

  /** The change that this one undoes. */
  @Column('bigint', { nullable: true })
  reverts!: string | null;

  @Column('jsonb', { nullable: true })
  before!: JsonValue;

  @Column('jsonb', { nullable: true })
  after!: JsonValue;
}
