import { Body, Controller, Delete, Get, HttpCode, Param, ParseUUIDPipe, Post, Query, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import {
  DomainError,
  TokenStore,
  type Actor,
  type CreatedToken,
  type Grant,
  type Page,
  type TokenDocument,
} from '@fledge/store';
import type { FastifyReply } from 'fastify';
import { CurrentGrant, ForRole } from '../auth/access.js';
import { By } from '../auth/actor.js';
import { Authenticator } from '../auth/authenticator.js';
import {
  BodyExamples,
  DocumentProblems,
  IdempotencyHeader,
  IfMatchApi,
  pageOf,
  Problems,
  WriteProblems,
} from '../http/openapi.js';
import { CommentQueryDto } from '../http/page.query.js';
import { IfMatchHeader, optional, type IfMatch } from '../http/preconditions.js';
import { toNewToken, toRotation } from './token-request.js';
import { CreatedTokenDto, CreateTokenDto, RotateTokenDto, TokenDto, TokenQueryDto } from './token.dto.js';

/** An id that is no UUID is the id of nothing. */
const ID = new ParseUUIDPipe({ exceptionFactory: () => new DomainError('not_found', 'There is no such token.') });

@ApiTags('Tokens')
@Controller('api/v1/tokens')
export class TokensController {
  constructor(
    private readonly tokens: TokenStore,
    private readonly authenticator: Authenticator,
  ) {}

  @Get()
  @ForRole('admin')
  @ApiOperation({ summary: 'List tokens', description: 'Sorted by createdAt or name; never the tokens themselves.' })
  @ApiOkResponse({ type: pageOf(TokenDto) })
  @Problems(400, 401, 403, 503)
  list(@Query() query: TokenQueryDto, @CurrentGrant() grant: Grant): Promise<Page<TokenDocument>> {
    return this.tokens.list(query, grant.project?.id);
  }

  @Post()
  @ForRole('admin')
  @IdempotencyHeader()
  @ApiOperation({
    summary: 'Make a token',
    description:
      'An SDK key for one environment, a client key that may only evaluate there and that browsers may show, or a management token with a role. ' +
      'With tags an SDK or client key sees only flags with one of them, and the flags and cohorts that those need. ' +
      'The token is in this answer and nowhere else.',
  })
  @BodyExamples(CreateTokenDto, {
    'A key for an application': { name: 'checkout app', kind: 'sdk', project: 'default', environment: 'production' },
    'A key for browsers': {
      name: 'shop',
      kind: 'client',
      project: 'default',
      environment: 'production',
      allowedOrigins: ['https://shop.example', 'http://localhost:5173'],
    },
    'A key that sees the flags of one team': {
      name: 'payments service',
      kind: 'sdk',
      project: 'default',
      environment: 'production',
      tags: ['payments'],
    },
    'A token for a script': {
      name: 'deploy bot',
      kind: 'management',
      role: 'operator',
      project: 'default',
      environments: ['production'],
    },
  })
  @ApiCreatedResponse({ type: CreatedTokenDto })
  @WriteProblems()
  create(@By() by: Actor, @CurrentGrant() grant: Grant, @Body() body: CreateTokenDto): Promise<CreatedToken> {
    return this.tokens.create(by, toNewToken(body, grant, Date.now()));
  }

  @Get(':id')
  @ForRole('admin')
  @ApiOperation({ summary: 'Show a token' })
  @ApiOkResponse({ type: TokenDto })
  @DocumentProblems()
  async get(@Param('id', ID) id: string, @CurrentGrant() grant: Grant): Promise<TokenDocument> {
    return withinScope(await this.tokens.get(id), grant);
  }

  @Post(':id/rotate')
  @ForRole('admin')
  @IdempotencyHeader()
  @IfMatchApi()
  @ApiOperation({
    summary: 'Replace a token without downtime',
    description:
      'Makes a token that may do the same, and ends the old one when the grace is over; until then both are valid. ' +
      'lastUsedAt of the old one tells whether somebody still uses it. The new token is in this answer and nowhere else.',
  })
  @BodyExamples(RotateTokenDto, { 'A day to change it everywhere': { grace: '24h', comment: 'yearly rotation' } })
  @ApiCreatedResponse({ type: CreatedTokenDto })
  @WriteProblems(412)
  async rotate(
    @By() by: Actor,
    @Param('id', ID) id: string,
    @CurrentGrant() grant: Grant,
    @Body() body: RotateTokenDto,
    @IfMatchHeader() ifMatch: IfMatch,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CreatedToken> {
    withinScope(await this.tokens.get(id), grant);
    const made = await this.tokens.rotate(by, id, toRotation(body, Date.now()), optional(ifMatch));
    void reply.header('location', `/api/v1/tokens/${made.id}`);
    return made;
  }

  @Delete(':id')
  @HttpCode(204)
  @ForRole('admin')
  @IdempotencyHeader()
  @IfMatchApi()
  @ApiOperation({ summary: 'Revoke a token', description: 'On every replica within seconds, and for good.' })
  @ApiNoContentResponse({ description: 'It is revoked.' })
  @WriteProblems(412)
  async revoke(
    @By() by: Actor,
    @Param('id', ID) id: string,
    @CurrentGrant() grant: Grant,
    @Query() _query: CommentQueryDto,
    @IfMatchHeader() ifMatch: IfMatch,
  ): Promise<void> {
    withinScope(await this.tokens.get(id), grant);
    await this.tokens.revoke(by, id, optional(ifMatch));
    // The other replicas are told; who asks here next must not find what was remembered.
    this.authenticator.forget();
  }
}

/** What lies beyond the caller's project does not exist for the caller. */
function withinScope(token: TokenDocument, grant: Grant): TokenDocument {
  if (grant.project === null || token.project === grant.project.key) return token;
  throw new DomainError('not_found', 'There is no such token.');
}
