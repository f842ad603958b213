import { problemsAt, refuse } from '../http/validation.pipe.js';
import { CreateTokenDto } from './token.dto.js';

export type TokenArguments = {
  readonly name?: string | undefined;
  readonly kind: string;
  readonly role?: string | undefined;
  readonly project?: string | undefined;
  readonly environment?: readonly string[] | undefined;
  readonly tag?: readonly string[] | undefined;
  readonly expires?: string | undefined;
};

/** The request that the arguments of a command stand for. @throws RequestError 422 with every problem */
export function tokenOf({ name, kind, role, project, environment, tag, expires }: TokenArguments): CreateTokenDto {
  const isManagement = kind === 'management';
  const [only] = environment ?? [];
  const fields = {
    name,
    kind,
    role: role ?? (isManagement ? 'admin' : undefined),
    project,
    ...(isManagement ? { environments: environment } : { environment: only }),
    tags: tag,
    expiresAt: expires,
  };
  refuse(422, 'invalid', problemsAt('', CreateTokenDto, fields));
  return Object.assign(new CreateTokenDto(), fields);
}
