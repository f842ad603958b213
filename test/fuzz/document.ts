import { readFile } from 'node:fs/promises';
import { Ajv, type ValidateFunction } from 'ajv';
import { closed, type Schema } from './schema.js';

export type Parameter = {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly schema: Schema;
};

type Content = Readonly<
  Record<string, { readonly schema?: Schema; readonly examples?: Record<string, { value: unknown }> }>
>;

export type Operation = {
  readonly method: string;
  readonly path: string;
  readonly parameters: readonly Parameter[];
  readonly body: Schema | undefined;
  readonly examples: readonly unknown[];
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>;
};

export type Answer = { readonly status: number; readonly type: string | undefined; readonly body: string };

type Raw = {
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Operation['responses'];
};

const SCHEMAS = '#/components/schemas/';

/** The committed OpenAPI document: what may be asked, and what may be answered. */
export class ApiDocument {
  readonly operations: readonly Operation[];
  readonly #schemas: Readonly<Record<string, Schema>>;
  // Annotations of OpenAPI are no mistakes of JSON Schema.
  readonly #ajv = new Ajv({ strict: false, allErrors: true });
  readonly #validators = new Map<Schema, ValidateFunction>();

  private constructor(
    paths: Readonly<Record<string, Readonly<Record<string, Raw>>>>,
    schemas: Readonly<Record<string, Schema>>,
  ) {
    this.#schemas = schemas;
    for (const [name, schema] of Object.entries(schemas)) this.#ajv.addSchema(closed(schema), SCHEMAS + name);
    this.operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { parameters = [], requestBody, responses }]) => {
        const json = requestBody?.content['application/json'];
        const examples = Object.values(json?.examples ?? {}).map(({ value }) => value);
        return { method: method.toUpperCase(), path, parameters, body: json?.schema, examples, responses };
      }),
    );
  }

  static async read(): Promise<ApiDocument> {
    const text = await readFile(new URL('../../docs/openapi.json', import.meta.url), 'utf8');
    const { paths, components } = JSON.parse(text) as {
      paths: Readonly<Record<string, Readonly<Record<string, Raw>>>>;
      components: { schemas: Readonly<Record<string, Schema>> };
    };
    return new ApiDocument(paths, components.schemas);
  }

  resolve(schema: Schema): Schema {
    const name = schema.$ref?.split('/').at(-1);
    return name === undefined ? schema : this.resolve(this.#schemas[name] ?? {});
  }

  /** Where an answer is not what the operation's documentation says; undefined when it is. */
  contradiction(operation: Operation, { status, type, body }: Answer): string | undefined {
    const documented = operation.responses[String(status)];
    if (documented === undefined) return `status ${status} is not documented`;
    if (documented.content === undefined) return body === '' ? undefined : `status ${status} has a body`;
    const media = type?.split(';', 1)[0] ?? '';
    const content = documented.content[media];
    if (content === undefined) return `status ${status} has the media type "${media}"`;
    if (content.schema === undefined || !media.endsWith('json')) return undefined;
    // Of NDJSON the schema describes a line.
    const documents = media.endsWith('ndjson') ? body.split('\n').slice(0, -1) : [body];
    const problem = documents
      .map((text) => this.#problemOf(content.schema ?? {}, text))
      .find((each) => each !== undefined);
    return problem === undefined ? undefined : `status ${status}: ${problem}`;
  }

  #problemOf(schema: Schema, text: string): string | undefined {
    const value = parsed(text);
    if (value === undefined) return `the body is no JSON`;
    const validate = this.#validator(schema);
    if (validate(value.json)) return undefined;
    return (validate.errors ?? [])
      .map(({ instancePath, message = '', params }) => `${instancePath} ${message} ${JSON.stringify(params)}`)
      .join('; ');
  }

  #validator(schema: Schema): ValidateFunction {
    const known = this.#validators.get(schema) ?? this.#ajv.compile(closed(schema));
    this.#validators.set(schema, known);
    return known;
  }
}

function parsed(text: string): { readonly json: unknown } | undefined {
  try {
    return { json: JSON.parse(text) };
  } catch {
    return undefined;
  }
}
