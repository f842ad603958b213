import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional } from 'class-validator';
import { IsText } from './strings.js';

/** Every write may say why. */
export class CommentDto {
  @ApiPropertyOptional({ description: 'Why; goes into the change log.', example: 'first wave', maxLength: 1_000 })
  @IsOptional()
  @IsText(1_000)
  comment?: string;
}
