import { Module } from '@nestjs/common';
import { LoginController } from './login.controller.js';

/** How people sign in. */
@Module({ controllers: [LoginController] })
export class LoginModule {}
