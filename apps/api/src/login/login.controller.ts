import { Controller, Get, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiQuery, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ForRole, CurrentGrant, Public } from '../auth/access.js';
import { By } from '../auth/actor.js';
import type { Actor, Grant } from '@fledge/store';
import { Problems, QuestionProblems } from '../http/openapi.js';
import { Login } from './login.js';

/** How people come in: to the provider, back from it, and out again. */
@ApiTags('Sign in')
@Controller()
export class LoginController {
  constructor(private readonly login: Login) {}

  @Get('login')
  @Public()
  @ApiOperation({
    summary: 'Sign in',
    description: 'For browsers: leads to the OpenID Connect provider that this service is configured with.',
    security: [],
  })
  @ApiResponse({ status: 302, description: 'To the provider.' })
  @Problems(404, 503)
  async begin(@Res() reply: FastifyReply): Promise<void> {
    const address = await this.login.begin(reply);
    void reply.redirect(address.href, 302);
  }

  @Get('login/callback')
  @Public()
  @ApiOperation({
    summary: 'Come back from the provider',
    description: 'Begins a session: a management token in a cookie that scripts cannot read.',
    security: [],
  })
  @ApiQuery({ name: 'code', required: false, schema: { type: 'string' } })
  @ApiQuery({ name: 'state', required: false, schema: { type: 'string' } })
  @ApiResponse({ status: 302, description: 'To Swagger UI, signed in.' })
  @Problems(400, 403, 404, 503)
  async end(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    await this.login.end(request, reply);
    void reply.redirect('/docs', 302);
  }

  @Post('api/v1/logout')
  @HttpCode(204)
  @ForRole('viewer')
  @ApiOperation({ summary: 'Sign out', description: 'Ends the session of the cookie on every replica.' })
  @ApiResponse({ status: 204, description: 'It is ended.' })
  @QuestionProblems()
  async out(
    @By() by: Actor,
    @CurrentGrant() grant: Grant,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    await this.login.out(by, grant, reply);
  }
}
