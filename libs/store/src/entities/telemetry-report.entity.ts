import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** The id of a report that was counted, kept for longer than any SDK tries to send it. */
@Entity('telemetry_report')
@Index('telemetry_report_received', ['receivedAt'])
export class TelemetryReportRow {
  @PrimaryColumn('integer', { name: 'environment_id', primaryKeyConstraintName: 'telemetry_report_pkey' })
  environmentId!: number;

  @PrimaryColumn('text', { primaryKeyConstraintName: 'telemetry_report_pkey' })
  id!: string;

  @Column('timestamptz', { name: 'received_at', default: () => 'now()' })
  receivedAt!: Date;
}
