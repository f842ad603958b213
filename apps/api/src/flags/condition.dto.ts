import { ApiExtraModels, ApiProperty, ApiPropertyOptional, getSchemaPath } from '@nestjs/swagger';
import { OPERATORS, type JsonValue, type Operator } from '@fledge/evaluation';

/** These classes describe documents for the OpenAPI document; the documents are judged by libs/evaluation. */

class AttributeConditionDto {
  @ApiProperty({ example: 'country', description: 'A top-level attribute, or a dotted path into objects.' })
  attribute!: string;

  @ApiProperty({ enum: OPERATORS, enumName: 'Operator', example: 'in' })
  operator!: Operator;

  @ApiProperty({ type: 'array', items: {}, example: ['DE'] })
  values!: JsonValue[];

  @ApiPropertyOptional({ default: false, description: 'True where it would be false; unknown stays unknown.' })
  negate?: boolean;

  @ApiPropertyOptional({ default: false })
  ignoreCase?: boolean;
}

class CohortConditionDto {
  @ApiProperty({ type: [String], example: ['staff'], description: 'True when the unit is in any of them.' })
  cohorts!: string[];

  @ApiPropertyOptional({ default: false })
  negate?: boolean;
}

export class GateDto {
  @ApiProperty({ example: 25, minimum: 0, maximum: 100, description: 'At most three decimals.' })
  percentage!: number;

  @ApiPropertyOptional({ default: 'targetingKey', description: 'The attribute that is bucketed.' })
  bucketBy?: string;

  @ApiPropertyOptional({ description: "Default: the flag's key. Another salt makes an independent draw." })
  salt?: string;

  @ApiPropertyOptional({
    description: 'The variant for a unit that is kept out; without it such a unit goes on to the next rule.',
  })
  otherwise?: string;

  @ApiPropertyOptional({ enum: [1] })
  bucketing?: 1;
}

/** A list of conditions, all of which must be true. */
export const ApiConditions = (required = true) =>
  ApiProperty({
    required,
    type: 'array',
    items: { oneOf: [{ $ref: getSchemaPath(AttributeConditionDto) }, { $ref: getSchemaPath(CohortConditionDto) }] },
    description: 'All must be true.',
  });

/** On every class that uses ApiConditions. */
export const DescribesConditions = () => ApiExtraModels(AttributeConditionDto, CohortConditionDto, GateDto);
