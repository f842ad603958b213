import { Module } from '@nestjs/common';
import { FlagsController } from './flags.controller.js';
import { TargetingController } from './targeting.controller.js';

/** Flags, and what environments say about them. */
@Module({ controllers: [FlagsController, TargetingController] })
export class FlagsModule {}
