import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject, type SwaggerCustomOptions } from '@nestjs/swagger';

/** The description of everything this service answers; committed as docs/openapi.json. */
export function openApiDocument(app: INestApplication): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setTitle('Fledge')
    .setDescription(
      'Feature flags with percentage rollouts. Press *Authorize*, paste a management token (or, where a provider is configured, [sign in](/login)), find the flag under *Targeting*, turn it on.',
    )
    .setVersion('1')
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    .addServer('/', 'This server')
    .addTag('Targeting', 'Who gets what in an environment: enable, disable, percentages, rules.')
    .addTag('Flags', 'What all environments share: key, type, variants.')
    .addTag('Cohorts', 'Named sets of units that rules may name.')
    .addTag('Changes', 'Who changed what, when and why.')
    .addTag('Projects', 'Each with environments, flags and cohorts of its own.')
    .addTag('Environments', 'Each serves every flag in its own way.')
    .addTag('Tokens', 'Keys for SDKs, tokens for people and scripts.')
    .addTag('Sign in', 'For people, where an OpenID Connect provider is configured: open /login in a browser.')
    .addTag('SDK', 'What SDKs ask for.')
    .addTag(
      'Remote evaluation',
      'The OpenFeature Remote Evaluation Protocol, for every OpenFeature SDK and for browsers.',
    )
    .addTag('Operations', 'Health and metrics.')
    .addSecurity('management', { type: 'http', scheme: 'bearer', description: 'A management token: fledge_admin_…' })
    .addSecurity('sdk', { type: 'http', scheme: 'bearer', description: 'An SDK key of one environment: fledge_sdk_…' })
    .addSecurity('client', {
      type: 'http',
      scheme: 'bearer',
      description: 'A client key of one environment, which may evaluate and nothing else: fledge_client_…',
    })
    .addSecurity('apiKey', {
      type: 'apiKey',
      in: 'header',
      name: 'X-API-Key',
      description: 'An SDK or client key of one environment.',
    });
  const document = SwaggerModule.createDocument(app, builder.build(), {
    operationIdFactory: (controller, method) => `${controller.replace(/Controller$/, '')}_${method}`,
  });
  for (const { get, put, post, patch, delete: remove } of Object.values(document.paths))
    for (const operation of [get, put, post, patch, remove])
      for (const parameter of operation?.parameters ?? []) if ('name' in parameter) tellExample(parameter);
  return document;
}

/**
 * Swagger UI sends an example as if somebody had typed it, and a made-up If-Match refuses the edit: where nothing need be said, the
 * description names it instead.
 */
function tellExample(parameter: ParameterObject): void {
  const { schema, description } = parameter;
  const example: unknown = schema !== undefined && 'example' in schema ? schema.example : parameter.example;
  // Any version will do: that may be sent by whoever types nothing.
  if (parameter.required === true || example === undefined || example === '*') return;
  parameter.description =
    `${description ?? ''} For example: ${typeof example === 'string' ? example : JSON.stringify(example)}`.trim();
  if (schema !== undefined && 'example' in schema) delete schema.example;
  delete parameter.example;
}

type ParameterObject = Extract<
  NonNullable<NonNullable<OpenAPIObject['paths'][string]['get']>['parameters']>[number],
  { name: string }
>;

/** A place to work in: the token survives a reload, every operation can be tried at once, and flags can be searched for. */
export const SWAGGER_OPTIONS: SwaggerCustomOptions = {
  jsonDocumentUrl: 'openapi.json',
  yamlDocumentUrl: 'openapi.yaml',
  customSiteTitle: 'Fledge',
  swaggerOptions: {
    // Nobody else is told of this service.
    validatorUrl: null,
    persistAuthorization: true,
    tryItOutEnabled: true,
    displayRequestDuration: true,
    filter: true,
    docExpansion: 'list',
    defaultModelsExpandDepth: 0,
  },
};
