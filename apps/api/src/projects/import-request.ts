import type { Problem } from '@fledge/evaluation';
import type { ProjectExport } from '@fledge/store';
import { problemsAt, refuse } from '../http/validation.pipe.js';
import {
  TransferredCohortDto,
  TransferredEnvironmentDto,
  TransferredFlagDto,
  TransferredProjectDto,
  TransferredTargetingDto,
  type ImportProjectDto,
} from './transfer.dto.js';

/** The project that a request describes, every part of the right shape. @throws RequestError 422 with every problem */
export function toImport({ format, project, environments, cohorts, flags }: ImportProjectDto): ProjectExport {
  const shapes = [
    ...problemsAt('/project', TransferredProjectDto, project),
    ...environments.flatMap((each, index) => problemsAt(`/environments/${index}`, TransferredEnvironmentDto, each)),
    ...cohorts.flatMap((each, index) => problemsAt(`/cohorts/${index}`, TransferredCohortDto, each)),
    ...flags.flatMap((each, index) => problemsAt(`/flags/${index}`, TransferredFlagDto, each)),
  ];
  refuse(422, 'invalid', shapes.length > 0 ? shapes : targetingProblems(flags));
  return { format, project, environments, cohorts, flags };
}

const targetingProblems = (flags: readonly TransferredFlagDto[]): Problem[] =>
  flags.flatMap(({ targeting }, index) =>
    Object.entries(targeting).flatMap(([key, each]) =>
      problemsAt(`/flags/${index}/targeting/${key}`, TransferredTargetingDto, each),
    ),
  );
