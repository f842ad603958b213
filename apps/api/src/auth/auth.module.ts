import { Module } from '@nestjs/common';
import { APP_GUARD, DiscoveryModule } from '@nestjs/core';
import { DeclaredAccess } from './declared-access.js';
import { TokenGuard } from './token.guard.js';

/** Who may do what. */
@Module({
  imports: [DiscoveryModule],
  providers: [DeclaredAccess, { provide: APP_GUARD, useClass: TokenGuard }],
})
export class AuthModule {}
