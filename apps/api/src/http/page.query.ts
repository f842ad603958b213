import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform, Type } from 'class-transformer';
import { IsBoolean, IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';

/** What every list takes. */
export class PageQueryDto {
  @ApiPropertyOptional({
    type: 'integer',
    description: 'How many items a page has at most.',
    default: 50,
    minimum: 1,
    maximum: 200,
  })
  @IsOptional()
  @Type(() => Number)
  @IsInt({ message: 'Expected a whole number' })
  @Min(1, { message: 'Expected at least 1' })
  @Max(200, { message: 'Expected at most 200' })
  limit = 50;

  @ApiPropertyOptional({ description: 'The nextCursor of the page before.' })
  @IsOptional()
  @IsString({ message: 'Expected one text' })
  @MaxLength(2_000, { message: 'Expected at most 2,000 characters' })
  cursor?: string;

  @ApiPropertyOptional({
    description: 'What to sort by; with - before it descending. An unknown name is refused with those there are.',
  })
  @IsOptional()
  @IsString({ message: 'Expected one text' })
  @MaxLength(50, { message: 'Expected at most 50 characters' })
  sort?: string;
}

/** A list that can be searched. */
export class SearchQueryDto extends PageQueryDto {
  @ApiPropertyOptional({ description: 'Only items whose key, name or description contains this, regardless of case.' })
  @IsOptional()
  @IsString({ message: 'Expected one text' })
  @MaxLength(200, { message: 'Expected at most 200 characters' })
  q?: string;
}

export class FlagQueryDto extends SearchQueryDto {
  @ApiPropertyOptional({ description: 'Only flags with this tag.', example: 'payments' })
  @IsOptional()
  @IsString({ message: 'Expected one text' })
  @MaxLength(100, { message: 'Expected at most 100 characters' })
  tag?: string;

  @ApiPropertyOptional({
    type: Boolean,
    description: 'true: the archived flags instead of the others.',
    default: false,
  })
  @IsOptional()
  @Transform(({ value }: { value: unknown }) => (value === 'true' ? true : value === 'false' ? false : value))
  @IsBoolean({ message: 'Expected true or false' })
  archived = false;
}

/** A reason that goes into the change log, where there is no body to carry it. */
export class CommentQueryDto {
  @ApiPropertyOptional({ description: 'Why; goes into the change log.', example: 'no longer needed' })
  @IsOptional()
  @IsString({ message: 'Expected one text' })
  @MaxLength(1_000, { message: 'Expected at most 1,000 characters' })
  comment?: string;
}

export class ConfirmQueryDto extends CommentQueryDto {
  @ApiPropertyOptional({ description: 'The key of what is deleted, once more, to show that it is meant.' })
  @IsOptional()
  @IsString({ message: 'Expected one text' })
  @MaxLength(100, { message: 'Expected at most 100 characters' })
  confirm?: string;

  @ApiPropertyOptional({ default: false, description: 'true: ends live rollouts with it, instead of being refused.' })
  @IsOptional()
  @Transform(({ value }: { value: unknown }) => (value === 'true' ? true : value === 'false' ? false : value))
  @IsBoolean({ message: 'Expected true or false' })
  force = false;
}
