import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional } from 'class-validator';
import { CommentDto } from '../http/comment.dto.js';
import { DocumentProblemDto } from '../http/openapi.js';
import { IsKey, IsText } from '../http/strings.js';

export class ProjectDto {
  @ApiProperty({ example: 'default' })
  key!: string;

  @ApiProperty({ example: 'Default' })
  name!: string;

  @ApiProperty({ example: 'Everything until there is more.' })
  description!: string;

  @ApiProperty({ example: 1, description: 'Also the ETag.' })
  version!: number;

  @ApiProperty({ example: '2026-11-23T10:00:00.000Z' })
  createdAt!: string;

  @ApiProperty({ example: '2026-11-23T10:00:00.000Z' })
  updatedAt!: string;

  @ApiPropertyOptional({
    type: [DocumentProblemDto],
    description: 'Legal, but probably not meant; on writes.',
    example: [],
  })
  warnings?: DocumentProblemDto[];
}

export class UpdateProjectDto extends CommentDto {
  @ApiPropertyOptional({ type: String, nullable: true, example: 'Mobile apps', maxLength: 200 })
  @IsOptional()
  @IsText(200)
  name?: string | null;

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    example: 'Flags of the iOS and Android apps.',
    maxLength: 5_000,
  })
  @IsOptional()
  @IsText(5_000)
  description?: string | null;
}

export class CreateProjectDto extends UpdateProjectDto {
  @ApiProperty({ example: 'mobile', description: 'Unique regardless of case; never changes.' })
  @IsKey()
  key!: string;
}
