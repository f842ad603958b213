import { Module } from '@nestjs/common';
import { EventStream } from './event-stream.js';
import { PlansController } from './plans.controller.js';
import { ReportsController } from './reports.controller.js';
import { RolloutsController } from './rollouts.controller.js';
import { SteeringController } from './steering.controller.js';

/** Canary rollouts and their plans. */
@Module({
  controllers: [RolloutsController, SteeringController, ReportsController, PlansController],
  providers: [EventStream],
})
export class RolloutsModule {}
