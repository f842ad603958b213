import { ApiProperty } from '@nestjs/swagger';
import type { Problem, WhoMoves } from '@fledge/evaluation';
import { DocumentProblemDto } from '../http/openapi.js';
import { IsPresent } from '../http/strings.js';
import { ReplaceTargetingDto } from './targeting.dto.js';

/** The document that would be saved. */
export class PreviewDto {
  @ApiProperty({
    type: ReplaceTargetingDto,
    description: 'The whole document, as PUT takes it; what is wrong with it is answered and not refused.',
  })
  @IsPresent()
  targeting!: unknown;
}

/** What saving the document would say and do. */
export class PreviewAnswerDto {
  @ApiProperty({
    type: [DocumentProblemDto],
    description: 'Why it would be refused; pointers are those of the document.',
    example: [],
  })
  problems!: readonly Problem[];

  @ApiProperty({ type: [DocumentProblemDto], description: 'Legal, but probably not meant.', example: [] })
  warnings!: readonly Problem[];

  @ApiProperty({
    type: [String],
    description: 'What it changes, in words. Empty while there are problems.',
    example: ['germany: gate 25 % → 50 %'],
  })
  diff!: readonly string[];

  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    nullable: true,
    description:
      'Which share of units would get another variant, as a matrix of variants before and after, beside the smallest share that could: for everyone, per rule, and per combination of conditions. Null while there are problems.',
  })
  whoMoves!: WhoMoves | null;
}
