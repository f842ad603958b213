import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** How often a flag served a variant in one minute; no variant is the caller's default. */
@Entity('exposure_minute')
@Index('exposure_minute_started', ['startedAt'])
export class ExposureMinuteRow {
  @PrimaryColumn('integer', { name: 'environment_id', primaryKeyConstraintName: 'exposure_minute_pkey' })
  environmentId!: number;

  @PrimaryColumn('integer', { name: 'flag_id', primaryKeyConstraintName: 'exposure_minute_pkey' })
  flagId!: number;

  @PrimaryColumn('timestamptz', { name: 'started_at', primaryKeyConstraintName: 'exposure_minute_pkey' })
  startedAt!: Date;

  @PrimaryColumn('text', { primaryKeyConstraintName: 'exposure_minute_pkey' })
  variant!: string;

  @Column('bigint')
  n!: string;
}

/** The same in one hour, when the minutes are old. */
@Entity('exposure_hour')
@Index('exposure_hour_started', ['startedAt'])
export class ExposureHourRow {
  @PrimaryColumn('integer', { name: 'environment_id', primaryKeyConstraintName: 'exposure_hour_pkey' })
  environmentId!: number;

  @PrimaryColumn('integer', { name: 'flag_id', primaryKeyConstraintName: 'exposure_hour_pkey' })
  flagId!: number;

  @PrimaryColumn('timestamptz', { name: 'started_at', primaryKeyConstraintName: 'exposure_hour_pkey' })
  startedAt!: Date;

  @PrimaryColumn('text', { primaryKeyConstraintName: 'exposure_hour_pkey' })
  variant!: string;

  @Column('bigint')
  n!: string;
}
