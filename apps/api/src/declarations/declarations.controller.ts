import { applyDecorators, Controller, Get, Param, Res } from '@nestjs/common';
import { ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import { FlagStore, type FlagShape, type Grant } from '@fledge/store';
import type { FastifyReply } from 'fastify';
import { CurrentGrant, environmentGone, ForRole, ForSdk } from '../auth/access.js';
import { SnapshotCache } from '../delivery/snapshot-cache.js';
import { Problems, ReadProblems } from '../http/openapi.js';
import { declareFlags } from './declare-flags.js';

const EXAMPLE = declareFlags('default/production', [
  { key: 'banner', type: 'string', variants: { plain: 'Hello', loud: 'HELLO' } },
  { key: 'limits', type: 'object', variants: { few: { max: 3 }, many: { max: 30, burst: true } } },
  { key: 'new-checkout', type: 'boolean', variants: { on: true, off: false } },
]);

/** The declaration file as an answer. */
const Declarations = (): MethodDecorator =>
  applyDecorators(
    ApiOperation({
      summary: 'The flags as TypeScript types',
      description:
        'Declares FledgeFlags of @fledge/sdk: from then on the compiler checks keys and values in every getter. `npx fledge-types` writes it to a file. Archived flags are not in it.',
    }),
    ApiResponse({
      status: 200,
      description: 'A declaration file.',
      content: { 'text/typescript': { schema: { type: 'string' }, example: EXAMPLE } },
    }),
  );

/** What compilers ask. */
@Controller()
export class DeclarationsController {
  constructor(
    private readonly flags: FlagStore,
    private readonly snapshots: SnapshotCache,
  ) {}

  @Get('api/v1/projects/:project/environments/:environment/types.d.ts')
  @ForRole('viewer')
  @ApiTags('Flags')
  @ApiParam({ name: 'project', example: 'default' })
  @ApiParam({ name: 'environment', example: 'production' })
  @Declarations()
  @ReadProblems()
  ofEnvironment(
    @Param('project') project: string,
    @Param('environment') environment: string,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.#send(project, environment, reply, this.flags.shapes(project, environment));
  }

  @Get('sdk/v1/types.d.ts')
  @ForSdk()
  @ApiTags('SDK')
  @Declarations()
  @Problems(401, 403, 404, 503)
  ofKey(@CurrentGrant() { project, environments, tags }: Grant, @Res() reply: FastifyReply): Promise<void> {
    const environment = environments?.[0];
    if (project === null || environment === undefined) throw environmentGone();
    const shapes = tags === null ? this.flags.shapes(project.key, environment.key) : this.#seen(environment.id, tags);
    return this.#send(project.key, environment.key, reply, shapes);
  }

  /** The flags that a key with tags sees, in order. */
  async #seen(environmentId: number, tags: readonly string[]): Promise<FlagShape[]> {
    const view = (await this.snapshots.environment(environmentId))?.seenBy(tags);
    if (view === undefined) throw environmentGone();
    return Object.values(view.evaluator().snapshot.flags).toSorted((a, b) => (a.key < b.key ? -1 : 1));
  }

  async #send(
    project: string,
    environment: string,
    reply: FastifyReply,
    shapes: Promise<readonly FlagShape[]>,
  ): Promise<void> {
    const text = declareFlags(`${project}/${environment}`, await shapes);
    void reply
      .header('content-type', 'text/typescript; charset=utf-8')
      .header('cache-control', 'private, no-cache')
      .send(text);
  }
}
