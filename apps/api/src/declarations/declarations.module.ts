import { Module } from '@nestjs/common';
import { DeclarationsController } from './declarations.controller.js';

/** The flags of an environment for compilers. */
@Module({ controllers: [DeclarationsController] })
export class DeclarationsModule {}
