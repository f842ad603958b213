import type { Problem } from '@fledge/evaluation';
import type { Grant, NewToken } from '@fledge/store';
import { RequestError } from '../http/problem.js';
import type { CreateTokenDto } from './token.dto.js';

/**
 * What the fields of a request for a token mean together, and that nobody hands out more than they have.
 * @throws RequestError 422 with every problem, 403 beyond the caller's own project
 */
export function toNewToken(body: CreateTokenDto, grant: Grant, now: number): NewToken {
  const errors = body.kind === 'sdk' ? sdkProblems(body) : managementProblems(body);
  if (body.expiresAt !== undefined && !(Date.parse(body.expiresAt) > now)) {
    errors.push({ pointer: '/expiresAt', code: 'in_the_past', message: 'Expected an instant in the future.' });
  }
  if (errors.length > 0)
    throw new RequestError(422, 'invalid', `${errors[0]?.pointer}: ${errors[0]?.message}`, { errors });
  if (grant.project !== null && body.project !== grant.project.key) {
    throw new RequestError(
      403,
      'forbidden',
      `The token is for project "${grant.project.key}" only and cannot make one for more.`,
    );
  }
  const { name, kind, role, project, expiresAt } = body;
  const environments = body.environment === undefined ? body.environments : [body.environment];
  return { name, kind, role, project, environments, expiresAt };
}

function sdkProblems({ project, environment, environments, role }: CreateTokenDto): Problem[] {
  return [
    ...(project === undefined ? [missing('/project', 'an SDK key')] : []),
    ...(environment === undefined ? [missing('/environment', 'an SDK key')] : []),
    ...(environments === undefined ? [] : [unwanted('/environments', 'An SDK key is for one environment')]),
    ...(role === undefined ? [] : [unwanted('/role', 'An SDK key has no role')]),
  ];
}

function managementProblems({ project, environment, environments }: CreateTokenDto): Problem[] {
  return [
    ...(environment === undefined ? [] : [unwanted('/environment', 'A management token takes environments')]),
    ...(environments !== undefined && project === undefined ? [missing('/project', 'environments')] : []),
    ...(environments?.length === 0 ? [unwanted('/environments', 'An empty list would allow nothing')] : []),
  ];
}

const missing = (pointer: string, what: string): Problem => ({
  pointer,
  code: 'required',
  message: `Expected a key: ${what} needs it.`,
});
const unwanted = (pointer: string, why: string): Problem => ({
  pointer,
  code: 'unwanted',
  message: `${why}; leave this out.`,
});
