import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import { WebhookStore, type Actor, type Page, type WebhookDocument, type WebhookWithSecret } from '@fledge/store';
import { parseDuration } from '@fledge/canary';
import { ForRole } from '../auth/access.js';
import { By } from '../auth/actor.js';
import {
  BodyExamples,
  DocumentProblems,
  IdempotencyHeader,
  IfMatchApi,
  pageOf,
  ReadProblems,
  WriteProblems,
} from '../http/openapi.js';
import { CommentQueryDto, PageQueryDto } from '../http/page.query.js';
import { IfMatchHeader, optional, type IfMatch } from '../http/preconditions.js';
import { refuse } from '../http/validation.pipe.js';
import { Outgoing } from '../outgoing/outgoing.js';
import {
  CreateWebhookDto,
  RotateWebhookDto,
  UpdateWebhookDto,
  WebhookDto,
  WebhookWithSecretDto,
} from './webhook.dto.js';

const LONGEST_GRACE_MS = 30 * 86_400_000;
const URL = 'https://hooks.example.com/fledge';

/** Addresses that are told of rollouts. Where the service sends requests is an administrator's to say. */
@ApiTags('Webhooks')
@ApiParam({ name: 'project', example: 'default' })
@Controller('api/v1/projects/:project/webhooks')
export class WebhooksController {
  constructor(
    private readonly webhooks: WebhookStore,
    private readonly outgoing: Outgoing,
  ) {}

  @Get()
  @ForRole('operator')
  @ApiOperation({ summary: 'List webhooks', description: 'Sorted by key or updatedAt; never with their secrets.' })
  @ApiOkResponse({ type: pageOf(WebhookDto) })
  @ReadProblems()
  list(@Param('project') project: string, @Query() query: PageQueryDto): Promise<Page<WebhookDocument>> {
    return this.webhooks.list(project, query);
  }

  @Post()
  @ForRole('admin')
  @IdempotencyHeader()
  @ApiOperation({
    summary: 'Make a webhook',
    description:
      'From then on it is sent what happens to rollouts, signed as Standard Webhooks has it, again and again until it answers with 2xx. ' +
      'The secret is in this answer and nowhere else.',
  })
  @BodyExamples(CreateWebhookDto, {
    'What somebody should look at': { key: 'chat', url: URL },
    'Every step in production': {
      key: 'audit',
      url: `${URL}/audit`,
      events: ['rollout.started', 'rollout.advanced', 'rollout.completed', 'rollout.rolled_back', 'rollout.cancelled'],
      environments: ['production'],
    },
  })
  @ApiCreatedResponse({ type: WebhookWithSecretDto })
  @WriteProblems()
  async create(
    @By() by: Actor,
    @Param('project') project: string,
    @Body() { comment: _, ...body }: CreateWebhookDto,
  ): Promise<WebhookWithSecret> {
    this.#refuseUrl(body.url);
    return this.webhooks.create(by, project, body);
  }

  @Get(':webhook')
  @ApiParam({ name: 'webhook', example: 'chat' })
  @ForRole('operator')
  @ApiOperation({ summary: 'Show a webhook' })
  @ApiOkResponse({ type: WebhookDto })
  @DocumentProblems()
  get(@Param('project') project: string, @Param('webhook') webhook: string): Promise<WebhookDocument> {
    return this.webhooks.get(project, webhook);
  }

  @Patch(':webhook')
  @ApiParam({ name: 'webhook', example: 'chat' })
  @ForRole('admin')
  @IdempotencyHeader()
  @IfMatchApi()
  @ApiOperation({ summary: 'Edit a webhook', description: 'What waits to be sent goes to where it says by then.' })
  @BodyExamples(UpdateWebhookDto, { 'Only production': { environments: ['production'], comment: 'less noise' } })
  @ApiOkResponse({ type: WebhookDto })
  @WriteProblems(412)
  async update(
    @By() by: Actor,
    @Param('project') project: string,
    @Param('webhook') webhook: string,
    @Body() { comment: _, ...edit }: UpdateWebhookDto,
    @IfMatchHeader() ifMatch: IfMatch,
  ): Promise<WebhookDocument> {
    if (edit.url !== undefined) this.#refuseUrl(edit.url);
    return this.webhooks.update(by, project, webhook, edit, optional(ifMatch));
  }

  @Post(':webhook/rotate')
  @HttpCode(200)
  @ApiParam({ name: 'webhook', example: 'chat' })
  @ForRole('admin')
  @IdempotencyHeader()
  @IfMatchApi()
  @ApiOperation({
    summary: 'Give a webhook another secret',
    description:
      'Until the grace is over messages carry both signatures. The new secret is in this answer and nowhere else.',
  })
  @BodyExamples(RotateWebhookDto, { 'A day to change over': { grace: '24h', comment: 'yearly rotation' } })
  @ApiOkResponse({ type: WebhookWithSecretDto })
  @WriteProblems(412)
  async rotate(
    @By() by: Actor,
    @Param('project') project: string,
    @Param('webhook') webhook: string,
    @Body() { grace = '24h' }: RotateWebhookDto,
    @IfMatchHeader() ifMatch: IfMatch,
  ): Promise<WebhookWithSecret> {
    const graceMs = parseDuration(grace) ?? Infinity;
    if (graceMs > LONGEST_GRACE_MS) {
      const message = 'Expected at most 30 days.';
      refuse(422, 'invalid', [{ pointer: '/grace', code: 'too_large', message }]);
    }
    return this.webhooks.rotate(by, project, webhook, graceMs, optional(ifMatch));
  }

  @Delete(':webhook')
  @ApiParam({ name: 'webhook', example: 'chat' })
  @HttpCode(204)
  @ForRole('admin')
  @IdempotencyHeader()
  @IfMatchApi()
  @ApiOperation({ summary: 'Delete a webhook', description: 'With what is still to be sent there.' })
  @ApiNoContentResponse({ description: 'It is gone.' })
  @WriteProblems(412)
  async delete(
    @By() by: Actor,
    @Param('project') project: string,
    @Param('webhook') webhook: string,
    @Query() _query: CommentQueryDto,
    @IfMatchHeader() ifMatch: IfMatch,
  ): Promise<void> {
    await this.webhooks.delete(by, project, webhook, optional(ifMatch));
  }

  #refuseUrl(url: string): void {
    refuse(422, 'invalid', this.outgoing.problems(url, '/url'));
  }
}
