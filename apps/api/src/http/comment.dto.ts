import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsOptional } from 'class-validator';
import { IsText, MayBeAbsent } from './strings.js';

/** Every write may say why. */
export class CommentDto {
  @ApiPropertyOptional({ description: 'Why; goes into the change log.', example: 'first wave', maxLength: 1_000 })
  @IsOptional()
  @IsText(1_000)
  comment?: string;
}

/** What takes something away that a rollout may live in. */
export class ForceDto extends CommentDto {
  @ApiPropertyOptional({ default: false, description: 'Ends live rollouts with it, instead of being refused.' })
  @MayBeAbsent()
  @IsBoolean({ message: 'Expected true or false' })
  force?: boolean;
}
