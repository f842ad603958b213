import { Module } from '@nestjs/common';
import { HealthController } from './health.controller.js';

/** How the service is. */
@Module({ controllers: [HealthController] })
export class HealthModule {}
