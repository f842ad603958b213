import type { JsonValue } from '@fledge/evaluation';
import { Column, Entity, PrimaryColumn } from 'typeorm';

/** What undoing a change needs and its documents do not say: what a deletion took with it. Members of cohorts are never in it. */
@Entity('change_undo')
export class ChangeUndoRow {
  @PrimaryColumn('bigint', { name: 'change_id', primaryKeyConstraintName: 'change_undo_pkey' })
  changeId!: string;

  @Column('jsonb')
  content!: JsonValue;
}
