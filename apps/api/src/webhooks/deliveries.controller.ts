import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { DeliveryStore, type Actor, type DeliveryDocument, type Grant, type Page } from '@fledge/store';
import { CurrentGrant, ForRole } from '../auth/access.js';
import { By } from '../auth/actor.js';
import { CommentDto } from '../http/comment.dto.js';
import { CommentBody, IdempotencyHeader, pageOf, ReadProblems, WriteProblems } from '../http/openapi.js';
import { DeliveryDto, DeliveryQueryDto } from './webhook.dto.js';

type WebhookRef = { readonly project: string; readonly webhook: string };

/** What was sent to a webhook lately, what is still to be sent, and what was given up. */
@ApiTags('Webhooks')
@ApiParam({ name: 'project', example: 'default' })
@ApiParam({ name: 'webhook', example: 'chat' })
@Controller('api/v1/projects/:project/webhooks/:webhook')
export class DeliveriesController {
  constructor(private readonly deliveries: DeliveryStore) {}

  @Get('deliveries')
  @ForRole('operator')
  @ApiOperation({
    summary: 'List what was sent',
    description: 'The newest first; sorted by createdAt. What was delivered is kept for a week, the rest for a month.',
  })
  @ApiOkResponse({ type: pageOf(DeliveryDto) })
  @ReadProblems()
  list(
    @Param() { project, webhook }: WebhookRef,
    @Query() query: DeliveryQueryDto,
    @CurrentGrant() { environments }: Grant,
  ): Promise<Page<DeliveryDocument>> {
    const seen = environments?.map(({ key }) => key);
    return this.deliveries.list({ project, webhook }, query, seen);
  }

  @Post('test')
  @HttpCode(202)
  @ForRole('operator')
  @IdempotencyHeader()
  @ApiOperation({ summary: 'Send a message that tells of nothing', description: 'To see whether it arrives.' })
  @CommentBody(CommentDto)
  @ApiAcceptedResponse({ type: DeliveryDto, description: 'It is going to be sent.' })
  @WriteProblems()
  test(
    @By() by: Actor,
    @Param() { project, webhook }: WebhookRef,
    @Body() _body: CommentDto,
  ): Promise<DeliveryDocument> {
    return this.deliveries.test(by, { project, webhook });
  }

  @Post('deliveries/:delivery/retry')
  @HttpCode(202)
  @ApiParam({ name: 'delivery', example: '0192f4a1-6b1e-4c3d-9a55-5d0f5f5b1c11' })
  @ForRole('operator')
  @IdempotencyHeader()
  @ApiOperation({
    summary: 'Send a message again',
    description: 'One that was given up, or that the receiver has lost: with the same id and the same content.',
  })
  @CommentBody(CommentDto)
  @ApiAcceptedResponse({ type: DeliveryDto, description: 'It is going to be sent.' })
  @WriteProblems()
  retry(
    @By() by: Actor,
    @Param() { project, webhook }: WebhookRef,
    @Param('delivery') delivery: string,
    @Body() _body: CommentDto,
  ): Promise<DeliveryDocument> {
    return this.deliveries.retry(by, { project, webhook }, delivery);
  }
}
