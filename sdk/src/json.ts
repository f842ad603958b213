/** Whether fields can be read from it. */
export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

/** The field of that name, if the value is an object that has it. */
export const field = (value: unknown, name: string): unknown => (isRecord(value) ? value[name] : undefined);
