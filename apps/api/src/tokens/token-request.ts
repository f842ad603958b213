import type { Problem } from '@fledge/evaluation';
import { MANAGEMENT_TAGS, type Grant, type NewToken, type Rotation } from '@fledge/store';
import { RequestError } from '../http/problem.js';
import type { CreateTokenDto, RotateTokenDto } from './token.dto.js';

/**
 * What the fields of a request for a token mean together, and that nobody hands out more than they have.
 * @throws RequestError 422 with every problem, 403 beyond the caller's own project
 */
export function toNewToken(body: CreateTokenDto, grant: Grant, now: number): NewToken {
  const errors = [
    ...(body.kind === 'management' ? managementProblems(body) : environmentKeyProblems(body)),
    ...originProblems(body),
    ...tagProblems(body),
  ];
  refuseAny([...errors, ...expiryProblems(body, now)]);
  if (grant.project !== null && body.project !== grant.project.key) {
    throw new RequestError(
      403,
      'forbidden',
      `The token is for project "${grant.project.key}" only and cannot make one for more.`,
    );
  }
  const { name, kind, role, project, allowedOrigins, tags, expiresAt } = body;
  const environments = body.environment === undefined ? body.environments : [body.environment];
  return { name, kind, role, project, environments, allowedOrigins, tags, expiresAt };
}

const UNIT_MS = new Map([
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);
const LONGEST_GRACE_MS = 90 * 86_400_000;

/** @throws RequestError 422 with every problem */
export function toRotation({ grace = '24h', expiresAt, tags }: RotateTokenDto, now: number): Rotation {
  const [, count = '', unit = ''] = /^(\d+)([smhd])$/.exec(grace) ?? [];
  const graceMs = Number(count) * (UNIT_MS.get(unit) ?? Number.NaN);
  refuseAny([
    ...(graceMs <= LONGEST_GRACE_MS
      ? []
      : [{ pointer: '/grace', code: 'too_large', message: `Expected at most 90d, got ${JSON.stringify(grace)}.` }]),
    ...expiryProblems({ expiresAt }, now),
    ...emptyTags(tags),
  ]);
  return { graceMs, expiresAt, tags };
}

const expiryProblems = ({ expiresAt }: { expiresAt?: string | undefined }, now: number): Problem[] =>
  expiresAt === undefined || Date.parse(expiresAt) > now
    ? []
    : [{ pointer: '/expiresAt', code: 'in_the_past', message: 'Expected an instant in the future.' }];

function refuseAny(errors: readonly Problem[]): void {
  if (errors.length > 0)
    throw new RequestError(422, 'invalid', `${errors[0]?.pointer}: ${errors[0]?.message}`, { errors });
}

function environmentKeyProblems({ kind, project, environment, environments, role }: CreateTokenDto): Problem[] {
  const name = kind === 'client' ? 'a client key' : 'an SDK key';
  return [
    ...(project === undefined ? [missing('/project', name)] : []),
    ...(environment === undefined ? [missing('/environment', name)] : []),
    ...(environments === undefined ? [] : [unwanted('/environments', `The place of ${name} is one environment`)]),
    ...(role === undefined ? [] : [unwanted('/role', 'Only management tokens have a role')]),
  ];
}

function originProblems({ kind, allowedOrigins }: CreateTokenDto): Problem[] {
  if (allowedOrigins === undefined) return [];
  if (kind !== 'client') return [unwanted('/allowedOrigins', 'Only client keys are for browsers')];
  if (allowedOrigins.length === 0) return [unwanted('/allowedOrigins', 'An empty list would allow no browser')];
  return allowedOrigins.flatMap((origin, index) =>
    isOrigin(origin)
      ? []
      : [
          {
            pointer: `/allowedOrigins/${index}`,
            code: 'format',
            message: `Expected an origin as browsers send it, such as "https://shop.example" or "http://localhost:5173", got ${JSON.stringify(origin)}.`,
          },
        ],
  );
}

const tagProblems = ({ kind, tags }: CreateTokenDto): Problem[] =>
  kind === 'management' && tags !== undefined ? [MANAGEMENT_TAGS] : emptyTags(tags);

const emptyTags = (tags: readonly string[] | null | undefined): Problem[] =>
  tags?.length === 0 ? [unwanted('/tags', 'An empty list would show no flag')] : [];

/** What browsers and apps with a web view send as Origin: scheme, host and a port that is not the scheme's own. */
const isOrigin = (text: string): boolean =>
  /^https?:/.test(text)
    ? URL.canParse(text) && new URL(text).origin === text && !text.includes('*')
    : /^[a-z][a-z0-9+.-]*:\/\/[a-z0-9.-]+(?::\d{1,5})?$/.test(text);

function managementProblems({ project, environment, environments }: CreateTokenDto): Problem[] {
  return [
    ...(environment === undefined ? [] : [unwanted('/environment', 'A management token takes environments')]),
    ...(environments !== undefined && project === undefined ? [missing('/project', 'environments')] : []),
    ...(environments?.length === 0 ? [unwanted('/environments', 'An empty list would allow nothing')] : []),
  ];
}

const missing = (pointer: string, what: string): Problem => ({
  pointer,
  code: 'missing',
  message: `Expected a key: ${what} needs it.`,
});
const unwanted = (pointer: string, why: string): Problem => ({
  pointer,
  code: 'unwanted',
  message: `${why}; leave this out.`,
});
