import { Injectable, type OnModuleInit } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { ACCESS } from './access.js';

/** A route that does not say who may call it does not start. */
@Injectable()
export class DeclaredAccess implements OnModuleInit {
  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
  ) {}

  onModuleInit(): void {
    const silent = this.discovery.getControllers().flatMap(({ instance, metatype }) => {
      if (typeof metatype !== 'function' || typeof instance !== 'object' || instance === null) return [];
      const prototype: Record<string, unknown> = Object.getPrototypeOf(instance);
      return this.scanner
        .getAllMethodNames(prototype)
        .filter((name) => {
          const handler = prototype[name];
          if (typeof handler !== 'function' || !Reflect.hasMetadata('path', handler)) return false;
          return !Reflect.hasMetadata(ACCESS, handler) && !Reflect.hasMetadata(ACCESS, metatype);
        })
        .map((name) => `${metatype.name}.${name}`);
    });
    if (silent.length > 0) throw new Error(`These routes declare no access: ${silent.join(', ')}.`);
  }
}
