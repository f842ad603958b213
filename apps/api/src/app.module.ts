import { Module, type DynamicModule } from '@nestjs/common';
import { APP_FILTER, APP_INTERCEPTOR, APP_PIPE } from '@nestjs/core';
import { AuthModule } from './auth/auth.module.js';
import { ChangesModule } from './changes/changes.module.js';
import { CohortsModule } from './cohorts/cohorts.module.js';
import { DeclarationsModule } from './declarations/declarations.module.js';
import { DeliveryModule } from './delivery/delivery.module.js';
import { EnvironmentsModule } from './environments/environments.module.js';
import { FlagsModule } from './flags/flags.module.js';
import { HealthModule } from './health/health.module.js';
import { DocumentInterceptor } from './http/document.interceptor.js';
import { ProblemFilter } from './http/problem.filter.js';
import { DtoPipe } from './http/validation.pipe.js';
import { LoginModule } from './login/login.module.js';
import { OfrepModule } from './ofrep/ofrep.module.js';
import { ProjectsModule } from './projects/projects.module.js';
import { RolloutsModule } from './rollouts/rollouts.module.js';
import type { Runtime } from './runtime.js';
import { RuntimeModule } from './runtime.module.js';
import { TelemetryModule } from './telemetry/telemetry.module.js';
import { TokensModule } from './tokens/tokens.module.js';
import { WebhooksModule } from './webhooks/webhooks.module.js';

/** The table of contents, in the order in which data flows: from a write to the SDKs. */
@Module({})
export class AppModule {
  static with(runtime: Runtime): DynamicModule {
    return {
      module: AppModule,
      imports: [
        RuntimeModule.with(runtime),
        AuthModule,
        ProjectsModule,
        EnvironmentsModule,
        FlagsModule,
        CohortsModule,
        RolloutsModule,
        WebhooksModule,
        ChangesModule,
        TokensModule,
        DeclarationsModule,
        LoginModule,
        DeliveryModule,
        OfrepModule,
        TelemetryModule,
        HealthModule,
      ],
      providers: [
        { provide: APP_FILTER, useClass: ProblemFilter },
        { provide: APP_PIPE, useClass: DtoPipe },
        { provide: APP_INTERCEPTOR, useClass: DocumentInterceptor },
      ],
    };
  }
}
