import { ApiProperty } from '@nestjs/swagger';
import type { Problem, WhoMoves } from '@fledge/evaluation';
import { DocumentProblemDto } from '../http/openapi.js';
import { IsPresent } from '../http/strings.js';
import { ReplaceTargetingDto } from './targeting.dto.js';
import { WhoMovesDto } from './who-moves.dto.js';

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

  @ApiProperty({ type: WhoMovesDto, nullable: true, description: 'Null while there are problems.' })
  whoMoves!: WhoMoves | null;

  @ApiProperty({ description: 'whoMoves to read: for the whole and for every rule, a line each.' })
  text!: string;
}
