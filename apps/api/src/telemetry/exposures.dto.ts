import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { IsInstant } from '../http/strings.js';

export class ExposuresQueryDto {
  @ApiPropertyOptional({
    description: 'Not before this instant; an hour before `to` unless it is given.',
    example: '2026-11-25T10:00:00Z',
  })
  @IsOptional()
  @IsInstant()
  from?: string;

  @ApiPropertyOptional({ description: 'Before this instant; now unless it is given.', example: '2026-11-25T11:00:00Z' })
  @IsOptional()
  @IsInstant()
  to?: string;

  @ApiPropertyOptional({
    enum: ['minute', 'hour'],
    description:
      'How long a window is: minutes are kept for a day, hours for a month. Default: minute up to six hours.',
  })
  @IsOptional()
  @IsIn(['minute', 'hour'], { message: 'Expected minute or hour' })
  every?: 'minute' | 'hour';
}

class ExposureWindowDto {
  @ApiProperty({ example: '2026-11-25T10:00:00.000Z' })
  from!: string;

  @ApiProperty({ example: '2026-11-25T10:01:00.000Z' })
  to!: string;

  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'integer' },
    description: 'How often each variant was served.',
    example: { on: 12, off: 30 },
  })
  variants!: Record<string, number>;

  @ApiProperty({ description: "How often the caller's default was.", example: 0 })
  default!: number;
}

export class ExposuresDto {
  @ApiProperty({ example: 'new-checkout' })
  flag!: string;

  @ApiProperty({ enum: ['minute', 'hour'], example: 'minute' })
  every!: 'minute' | 'hour';

  @ApiProperty({ example: '2026-11-25T10:00:00.000Z' })
  from!: string;

  @ApiProperty({ example: '2026-11-25T11:00:00.000Z' })
  to!: string;

  @ApiProperty({ type: [ExposureWindowDto], description: 'In order; windows in which nobody asked are left out.' })
  items!: ExposureWindowDto[];
}
