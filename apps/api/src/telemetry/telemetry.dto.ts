import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';

/** What reports of both kinds begin with. */
class ReportDto {
  @ApiProperty({ enum: [1], example: 1 })
  v!: 1;

  @ApiProperty({
    description: 'Drawn by the SDK: a report is counted once, however often it is sent.',
    example: '0d9f2c1a-7b54-4a53-9a0e-2f4f8a1f6a11',
  })
  id!: string;

  @ApiProperty({ description: 'The process, drawn at its start.', example: '5c2e7f0e-1d0b-4f27-8b57-9a3a0c6b1d22' })
  instance!: string;

  @ApiProperty({ description: 'How long ago the newest of it happened, when it is sent; at most 300,000.', example: 3 })
  ageMs!: number;

  @ApiProperty({ description: 'How long it was summed up.', example: 10_000 })
  spanMs!: number;

  @ApiProperty({ description: 'Observations that had to be dropped since the last report.', example: 0 })
  dropped!: number;
}

class FirstDto {
  @ApiProperty({ description: 'Units exposed for the first time in this process and epoch.', example: 3 })
  n!: number;

  @ApiProperty({ type: [Number], description: 'The same by group of units: 64 counts, or none.', example: [] })
  groups!: number[];
}

class OutcomeItemDto {
  @ApiProperty({ example: '0192f4a1-6b1e-4c3d-9a55-5d0f5f5b1c11' })
  rollout!: string;

  @ApiProperty({ example: 18 })
  epoch!: number;

  @ApiProperty({ enum: ['canary', 'baseline'], example: 'canary' })
  arm!: string;

  @ApiProperty({ type: FirstDto })
  first!: FirstDto;

  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'object', additionalProperties: true },
    description:
      'At most 8, by name. n, k: requests, and those that failed or were too slow; a, f: units, and those with a failure; r, g: units that had not failed before, and those that now did; N, K: by group; lnms: [n, mean, M2] of ln(ms); sketch: a DDSketch of relative accuracy 0.01, c[i] values in bucket o + i.',
    example: { errors: { n: 4, k: 1, a: 3, f: 1, r: 3, g: 1, N: [], K: [] } },
  })
  metrics!: Record<string, object>;
}

/** Sums of what rollouts watch. */
export class OutcomeReportDto extends ReportDto {
  @ApiPropertyOptional({ description: 'Evaluations without the unit that the rollout needs.', example: 0 })
  unmeasured?: number;

  @ApiPropertyOptional({ description: 'Units that were forgotten and count as new when they return.', example: 0 })
  overflow?: number;

  @ApiProperty({ type: [OutcomeItemDto] })
  items!: OutcomeItemDto[];
}

class ExposureItemDto {
  @ApiProperty({ example: 'new-checkout' })
  flag!: string;

  @ApiProperty({ type: String, nullable: true, description: "null: the caller's default.", example: 'on' })
  variant!: string | null;

  @ApiProperty({ example: 12 })
  n!: number;
}

/** How often flags served variants. */
export class ExposureReportDto extends ReportDto {
  @ApiProperty({ type: [ExposureItemDto] })
  items!: ExposureItemDto[];
}

/** What became of a report. */
export class ReceiptDto {
  @ApiProperty({
    description: 'Items that were counted: those of rollouts, epochs and flags that there are.',
    example: 1,
  })
  counted!: number;

  @ApiProperty({ description: 'Whether the report had been counted before.', example: false })
  isRepeated!: boolean;
}

const HEAD = {
  v: 1,
  instance: '5c2e7f0e-1d0b-4f27-8b57-9a3a0c6b1d22',
  ageMs: 3,
  spanMs: 10_000,
  dropped: 0,
};

export const OUTCOME_EXAMPLES = {
  'Four requests of three users, one failed': {
    ...HEAD,
    id: '0d9f2c1a-7b54-4a53-9a0e-2f4f8a1f6a11',
    items: [
      {
        rollout: '0192f4a1-6b1e-4c3d-9a55-5d0f5f5b1c11',
        epoch: 18,
        arm: 'canary',
        first: { n: 3, groups: [] },
        metrics: {
          errors: { n: 4, k: 1, a: 3, f: 1, r: 3, g: 1, N: [], K: [] },
          latency: {
            n: 4,
            k: 0,
            a: 3,
            f: 0,
            r: 3,
            g: 0,
            N: [],
            K: [],
            lnms: [4, 4.6, 0.02],
            sketch: { o: 229, c: [1, 2, 1] },
          },
        },
      },
    ],
  },
};

export const EXPOSURE_EXAMPLES = {
  'One flag': {
    ...HEAD,
    id: '4b1c6a0e-58f1-4b8b-8d0a-0d2d3c4e5f60',
    items: [
      { flag: 'new-checkout', variant: 'on', n: 12 },
      { flag: 'new-checkout', variant: 'off', n: 30 },
    ],
  },
};
