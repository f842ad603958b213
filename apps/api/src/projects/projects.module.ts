import { Module } from '@nestjs/common';
import { ProjectsController } from './projects.controller.js';
import { TransferController } from './transfer.controller.js';

@Module({ controllers: [ProjectsController, TransferController] })
export class ProjectsModule {}
