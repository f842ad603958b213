import { Module } from '@nestjs/common';
import { ExposuresController } from './exposures.controller.js';
import { TelemetryController } from './telemetry.controller.js';

/** How outcomes and exposures come in, and what of them can be looked at. */
@Module({ controllers: [TelemetryController, ExposuresController] })
export class TelemetryModule {}
