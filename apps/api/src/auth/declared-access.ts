import { Injectable, RequestMethod, type OnModuleInit } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { ACCESS, type Access } from './access.js';

/** A route and who may call it; `path` as the router knows it, such as /api/v1/projects/:project. */
export type DeclaredRoute = { readonly method: string; readonly path: string; readonly access: Access };

type Handler = { readonly name: string; readonly method: string; readonly path: string; readonly access?: Access };

/** The one list of who may call what, read off the routes themselves: a route that does not say it does not start. */
@Injectable()
export class DeclaredAccess implements OnModuleInit {
  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
  ) {}

  onModuleInit(): void {
    const silent = this.#handlers().flatMap(({ name, access }) => (access === undefined ? [name] : []));
    if (silent.length > 0) throw new Error(`These routes declare no access: ${silent.join(', ')}.`);
  }

  /** Every route of every controller, by path and method. */
  routes(): DeclaredRoute[] {
    return this.#handlers()
      .flatMap(({ method, path, access }) => (access === undefined ? [] : [{ method, path, access }]))
      .sort((a, b) => order(a).localeCompare(order(b), 'en'));
  }

  #handlers(): Handler[] {
    return this.discovery.getControllers().flatMap(({ instance, metatype }) => {
      if (typeof metatype !== 'function' || typeof instance !== 'object' || instance === null) return [];
      const prototype: Record<string, unknown> = Object.getPrototypeOf(instance);
      return this.scanner.getAllMethodNames(prototype).flatMap((name) => {
        const handler = prototype[name];
        if (typeof handler !== 'function' || !Reflect.hasMetadata('path', handler)) return [];
        const access: Access | undefined =
          Reflect.getMetadata(ACCESS, handler) ?? Reflect.getMetadata(ACCESS, metatype);
        const method = RequestMethod[Number(Reflect.getMetadata('method', handler))] ?? 'GET';
        const path = joined(Reflect.getMetadata('path', metatype), Reflect.getMetadata('path', handler));
        return [{ name: `${metatype.name}.${name}`, method, path, ...(access === undefined ? {} : { access }) }];
      });
    });
  }
}

const joined = (...parts: readonly unknown[]): string =>
  `/${parts
    .map(String)
    .flatMap((part) => part.split('/'))
    .filter((part) => part !== '')
    .join('/')}`;

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];
const order = ({ method, path }: DeclaredRoute): string => `${path} ${METHODS.indexOf(method)}`;
