import type { Problem } from '@fledge/evaluation';
import type { Targeting, TargetingRef } from '@fledge/store';
import { RequestError } from '../http/problem.js';
import { DtoPipe } from '../http/validation.pipe.js';
import { refuseReadOnly } from './read-only.js';
import { ReplaceTargetingDto } from './targeting.dto.js';

const pipe = new DtoPipe();

/** The document that a PUT would save, and why PUT would refuse its fields before anybody looks at what they hold. */
export function readTargeting(
  sent: unknown,
  { flag, environment }: TargetingRef,
): { readonly targeting: Targeting; readonly problems: readonly Problem[] } {
  const fields = new Map<string, unknown>(isObject(sent) ? Object.entries(sent) : []);
  const problems = [
    ...problemsOf(() => pipe.transform(sent ?? null, { type: 'body', metatype: ReplaceTargetingDto })),
    ...problemsOf(() => refuseReadOnly(Object.fromEntries(fields), { key: flag, environment })),
  ];
  const [enabled, offVariant, prerequisites, rules, fallthrough] = FIELDS.map((name) => fields.get(name));
  const mark = fields.has('measure') ? { measure: fields.get('measure') } : {};
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the fields hold is judged by the validator of documents
  return { targeting: { enabled, offVariant, prerequisites, rules, fallthrough, ...mark } as Targeting, problems };
}

const FIELDS = ['enabled', 'offVariant', 'prerequisites', 'rules', 'fallthrough'] as const;

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What the check refuses, answered instead of thrown. */
function problemsOf(check: () => unknown): readonly Problem[] {
  try {
    check();
    return [];
  } catch (error) {
    if (error instanceof RequestError && error.details.errors !== undefined) return error.details.errors;
    throw error;
  }
}

/** The problems of the fields, and those of what they hold wherever a field is not refused as a whole. */
export function together(ofFields: readonly Problem[], ofDocument: readonly Problem[]): readonly Problem[] {
  const isRefused = (pointer: string): boolean =>
    ofFields.some((field) => pointer === field.pointer || pointer.startsWith(`${field.pointer}/`));
  return [...ofFields, ...ofDocument.filter(({ pointer }) => !isRefused(pointer))];
}
