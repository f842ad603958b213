import { Module } from '@nestjs/common';
import { DeliveriesController } from './deliveries.controller.js';
import { WebhooksController } from './webhooks.controller.js';

/** Addresses that are told of rollouts, and what was sent there. */
@Module({ controllers: [WebhooksController, DeliveriesController] })
export class WebhooksModule {}
