import { Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';

/**
 * One unit in one list of a cohort, from the change that added it until the change that removed it.
 * The rows are at once the present (removed_by is null), the batch of each change, and the past; erasing a unit is one DELETE.
 */
@Entity('cohort_member')
@Index('cohort_member_present', { synchronize: false })
@Index('cohort_member_list', { synchronize: false })
@Index('cohort_member_added', ['cohortId', 'addedBy'])
@Index('cohort_member_removed', { synchronize: false })
export class CohortMemberRow {
  @PrimaryGeneratedColumn('identity', { type: 'bigint', generatedIdentity: 'ALWAYS' })
  id!: string;

  /** No foreign key: the past outlives the cohort. */
  @Column('integer', { name: 'cohort_id' })
  cohortId!: number;

  @Column('text')
  list!: 'included' | 'excluded';

  @Column('text')
  unit!: string;

  @Column('bigint', { name: 'added_by' })
  addedBy!: string;

  @Column('bigint', { name: 'removed_by', nullable: true })
  removedBy!: string | null;
}
