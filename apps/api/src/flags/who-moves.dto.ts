import { ApiExtraModels, ApiProperty, ApiPropertyOptional, getSchemaPath } from '@nestjs/swagger';

class ShareDto {
  @ApiProperty({ example: 24_804 })
  units!: number;

  @ApiProperty({ example: 0.248, description: 'Of all units of the sample, 0 to 1.' })
  share!: number;

  @ApiProperty({ example: 0.0027, description: 'Two standard errors of the share.' })
  error!: number;
}

class MoveDto extends ShareDto {
  @ApiProperty({ type: String, nullable: true, example: 'off', description: "null: the caller's default." })
  from!: string | null;

  @ApiProperty({ type: String, nullable: true, example: 'on', description: "null: the caller's default." })
  to!: string | null;
}

class MovementDto {
  @ApiProperty({ example: 100_000, description: 'How many units were tried.' })
  units!: number;

  @ApiProperty({
    type: 'array',
    items: { type: 'string', nullable: true },
    example: ['off', 'on'],
    description: "What anybody gets before or after: the axes of the matrix. null: the caller's default.",
  })
  variants!: (string | null)[];

  @ApiProperty({
    type: 'array',
    items: { type: 'array', items: { type: 'integer' } },
    example: [
      [50_084, 24_804],
      [0, 25_112],
    ],
    description: 'matrix[i][j]: how many units get variants[i] before and variants[j] after.',
  })
  matrix!: number[][];

  @ApiProperty({ type: ShareDto, description: 'Those who get another variant.' })
  moved!: ShareDto;

  @ApiProperty({ example: 0.25, description: 'The share that no edit to the same shares could leave unmoved.' })
  minimum!: number;

  @ApiProperty({
    type: ShareDto,
    description:
      'Those of the moved who go from one treatment to another, neither of which is what everyone else gets.',
  })
  switched!: ShareDto;

  @ApiProperty({ type: [MoveDto], description: 'The moved by where from and to, the largest share first.' })
  moves!: MoveDto[];
}

/** A reference alone cannot be nullable in OpenAPI 3.0. */
const MOVEMENT_OR_NULL = {
  anyOf: [{ $ref: getSchemaPath(MovementDto) }, { type: 'object', nullable: true, enum: [null] }],
};

class LighterEditDto {
  @ApiProperty({ example: 'keep the split and change the weight of b alone' })
  text!: string;

  @ApiProperty({
    type: String,
    nullable: true,
    example: 'b',
    description: 'The variant that grows most; null: none does.',
  })
  variant!: string | null;

  @ApiProperty({ example: 0.4, description: 'The share it gets, by this edit as by the one asked about.' })
  share!: number;

  @ApiPropertyOptional({ type: 'object', additionalProperties: true, description: 'The gate instead.' })
  gate?: object;

  @ApiPropertyOptional({ type: 'object', additionalProperties: true, description: 'What to serve instead.' })
  serve?: object;

  @ApiProperty({ example: 0.354, description: 'The share of units that this edit moves.' })
  moved!: number;
}

class RuleMovesDto {
  @ApiProperty({ type: String, nullable: true, example: 'germany', description: 'null: the fallthrough.' })
  rule!: string | null;

  @ApiPropertyOptional({
    example: 'country in "DE"',
    description: 'Whom the rule is for: a rule whose conditions are edited is there twice. Absent for the fallthrough.',
  })
  conditions?: string;

  @ApiProperty({ ...MOVEMENT_OR_NULL, description: 'null: an earlier rule is for all of them.' })
  movement!: MovementDto | null;

  @ApiPropertyOptional({
    type: LighterEditDto,
    description: 'An edit that gives the growing variants the same shares and moves fewer.',
  })
  lighter?: LighterEditDto;
}

class AudienceMovesDto {
  @ApiProperty({ type: [String], example: ['country in "DE"'], description: 'What is true of them, and nothing else.' })
  meets!: string[];

  @ApiProperty({ type: MovementDto })
  movement!: MovementDto;
}

/** Which share of units would get another variant, beside the smallest share that could. */
@ApiExtraModels(MovementDto)
export class WhoMovesDto {
  @ApiProperty({ example: 100_000, description: 'How many synthetic units there were; the same ones at every call.' })
  sample!: number;

  @ApiProperty({
    ...MOVEMENT_OR_NULL,
    description: 'Everyone; null when conditions are in force, as nobody knows how many meet them.',
  })
  everyone!: MovementDto | null;

  @ApiProperty({
    type: [AudienceMovesDto],
    description: 'By what is true of units: at most 64 combinations of conditions.',
  })
  audiences!: AudienceMovesDto[];

  @ApiProperty({ example: false, description: 'There are more combinations than are told.' })
  more!: boolean;

  @ApiProperty({
    type: [RuleMovesDto],
    description:
      "Each rule of before or after and, as null, the fallthrough: units that meet its conditions and no earlier rule's.",
  })
  rules!: RuleMovesDto[];
}
