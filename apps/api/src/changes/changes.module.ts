import { Module } from '@nestjs/common';
import { ChangesController } from './changes.controller.js';

/** The log of changes. */
@Module({ controllers: [ChangesController] })
export class ChangesModule {}
