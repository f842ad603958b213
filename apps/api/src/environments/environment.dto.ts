import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import type { RestoredEnvironment } from '@fledge/store';
import { IsBoolean, IsInt, Max, Min } from 'class-validator';
import { CommentDto } from '../http/comment.dto.js';
import { IsInstant, IsKey, MayBeAbsent } from '../http/strings.js';
import { ProjectDto, UpdateProjectDto } from '../projects/project.dto.js';

export class EnvironmentDto extends ProjectDto {
  @ApiProperty({ example: 'production' })
  declare key: string;

  @ApiProperty({ example: 'Production' })
  declare name: string;

  @ApiProperty({ example: 'default' })
  project!: string;

  @ApiProperty({ example: false, description: 'Whether every change here needs a comment, and it cannot be deleted.' })
  protected!: boolean;

  @ApiProperty({ example: 17, description: 'The version of what SDKs see.' })
  snapshotVersion!: number;
}

export class UpdateEnvironmentDto extends UpdateProjectDto {
  @ApiPropertyOptional({
    example: true,
    description: 'Whether every change here needs a comment, and it cannot be deleted.',
  })
  @MayBeAbsent()
  @IsBoolean({ message: 'Expected true or false' })
  protected?: boolean;
}

export class CreateEnvironmentDto extends UpdateEnvironmentDto {
  @ApiProperty({ example: 'staging', description: 'Unique in the project regardless of case; never changes.' })
  @IsKey()
  key!: string;

  @ApiPropertyOptional({
    example: 'production',
    description: 'The environment whose targeting the new one begins with.',
  })
  @MayBeAbsent()
  @IsKey()
  copyFrom?: string;

  @ApiPropertyOptional({
    example: false,
    default: false,
    description: 'Whether flags that are enabled there are enabled here.',
  })
  @MayBeAbsent()
  @IsBoolean({ message: 'Expected true or false' })
  keepEnabled?: boolean;
}

/** Either a version or an instant. */
export class RestoreEnvironmentDto extends CommentDto {
  @ApiPropertyOptional({ example: 1, description: 'The version of what SDKs saw.' })
  @MayBeAbsent()
  @IsInt({ message: 'Expected a whole number' })
  @Min(1, { message: 'Expected at least 1' })
  @Max(2_147_483_647, { message: 'Expected at most 2,147,483,647' })
  version?: number;

  @ApiPropertyOptional({ example: '2026-11-23T10:00:00Z', description: 'The newest version not after this instant.' })
  @MayBeAbsent()
  @IsInstant()
  at?: string;

  @ApiPropertyOptional({ default: false, description: 'true: say what would change, and change nothing.' })
  @MayBeAbsent()
  @IsBoolean({ message: 'Expected true or false' })
  dryRun?: boolean;
}

class RestoredDto {
  @ApiProperty({ example: 12 })
  version!: number;

  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    description: 'The flags whose targeting is another now, each with the documents before and after.',
    example: {},
  })
  flags!: RestoredEnvironment['restored']['flags'];

  @ApiProperty({ type: [String], description: 'Served then, archived or gone now: left alone.', example: [] })
  skipped!: string[];
}

export class RestoredEnvironmentDto extends EnvironmentDto {
  @ApiProperty({ type: RestoredDto })
  restored!: RestoredDto;
}
