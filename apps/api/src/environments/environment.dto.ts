import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean } from 'class-validator';
import { IsKey, MayBeAbsent } from '../http/strings.js';
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
