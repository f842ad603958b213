import { Module } from '@nestjs/common';
import { DeliveryController } from './delivery.controller.js';

/** How snapshots reach SDKs. */
@Module({ controllers: [DeliveryController] })
export class DeliveryModule {}
