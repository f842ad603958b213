import { Module } from '@nestjs/common';
import { ExplainController } from './explain.controller.js';
import { FlagsController } from './flags.controller.js';
import { PreviewController } from './preview.controller.js';
import { TargetingController } from './targeting.controller.js';

/** Flags, what environments say about them, and the questions why and whom. */
@Module({ controllers: [FlagsController, TargetingController, PreviewController, ExplainController] })
export class FlagsModule {}
