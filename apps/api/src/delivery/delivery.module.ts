import { Module } from '@nestjs/common';
import { DeliveryController } from './delivery.controller.js';
import { SnapshotEvents } from './snapshot-events.js';

/** How snapshots reach SDKs. */
@Module({ controllers: [DeliveryController], providers: [SnapshotEvents] })
export class DeliveryModule {}
