import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A random secret of this installation, drawn by whichever replica needs it first. */
@Entity('secret')
export class SecretRow {
  @PrimaryColumn('text', { primaryKeyConstraintName: 'secret_pkey' })
  name!: string;

  @Column('bytea')
  value!: Buffer;

  @Column('timestamptz', { name: 'created_at', default: () => 'now()' })
  createdAt!: Date;
}
