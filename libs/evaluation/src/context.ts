/** Any value that JSON can carry. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** What the application knows about whom it serves: `targetingKey` identifies the unit, everything else is an attribute. */
export type Context = { readonly targetingKey?: string; readonly [attribute: string]: JsonValue | undefined };
