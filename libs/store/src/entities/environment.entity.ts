import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryGeneratedColumn } from 'typeorm';
import { ProjectRow } from './project.entity.js';

@Entity('environment')
@Index('environment_key', { synchronize: false })
export class EnvironmentRow {
  @PrimaryGeneratedColumn('identity', { type: 'integer', generatedIdentity: 'ALWAYS' })
  id!: number;

  @Column('integer', { name: 'project_id' })
  projectId!: number;

  @ManyToOne(() => ProjectRow, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'project_id', foreignKeyConstraintName: 'environment_project_fk' })
  project?: ProjectRow;

  @Column('text')
  key!: string;

  @Column('text')
  name!: string;

  @Column('text', { default: '' })
  description!: string;

  /** Every change here needs a comment, and it cannot be deleted. */
  @Column('boolean', { default: false })
  protected!: boolean;

  /** Counts the changes of this row's own document: name, description and protection. */
  @Column('integer', { default: 1 })
  version!: number;

  /** Counts the changes of what SDKs see: the version of the snapshot. */
  @Column('integer', { name: 'snapshot_version' })
  snapshotVersion!: number;

  @Column('text')
  revision!: string;

  /** The time of the newest change; the next one is later by at least a microsecond. */
  @Column('timestamptz', { name: 'changed_at' })
  changedAt!: Date;

  @Column('timestamptz', { name: 'created_at', default: () => 'now()' })
  createdAt!: Date;

  @Column('timestamptz', { name: 'updated_at', default: () => 'now()' })
  updatedAt!: Date;
}
