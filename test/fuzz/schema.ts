/** What OpenAPI 3.0 makes of JSON Schema, as far as this API uses it. */
export type Schema = {
  readonly $ref?: string;
  readonly type?: 'object' | 'array' | 'string' | 'number' | 'integer' | 'boolean';
  readonly nullable?: boolean;
  readonly enum?: readonly unknown[];
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly example?: unknown;
  readonly default?: unknown;
};

/**
 * A schema of OpenAPI 3.0 as JSON Schema, without room for fields that are not documented. A problem of RFC 9457 stays open: what
 * a code brings along is its own.
 */
export function closed(schema: Schema): object {
  const { nullable, properties, items, oneOf, anyOf, allOf, additionalProperties, ...rest } = schema;
  const isOpen = properties === undefined || isProblem(properties);
  const shape = {
    ...rest,
    ...(properties !== undefined && { properties: mapped(properties) }),
    ...(items !== undefined && { items: closed(items) }),
    ...(oneOf !== undefined && { oneOf: oneOf.map(closed) }),
    ...(anyOf !== undefined && { anyOf: anyOf.map(closed) }),
    ...(allOf !== undefined && { allOf: allOf.map(closed) }),
    additionalProperties:
      typeof additionalProperties === 'object' ? closed(additionalProperties) : (additionalProperties ?? isOpen),
  };
  return nullable === true ? { anyOf: [shape, { type: 'null' }] } : shape;
}

const mapped = (properties: Readonly<Record<string, Schema>>): Readonly<Record<string, object>> =>
  Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, closed(schema)]));

const isProblem = (properties: object): boolean => 'title' in properties && 'detail' in properties;
