import {
  below,
  boundOf,
  checkBoolean,
  checkList,
  checkName,
  checkObject,
  checkText,
  expecting,
  refuse,
  refuseBeyond,
  refuseMany,
  unexpected,
} from './checks.js';
import type { Bound, Check, Report } from './checks.js';
import type { Flag, FlagType } from './flag.js';
import { asText, isList, isRecord, isScalar, isText, own } from './json.js';
import { isKey } from './key.js';
import { DEFAULT_DOCUMENT_LIMITS } from './problem.js';
import type { DocumentLimits, Validation } from './problem.js';
import { cohortsOfCohort, prerequisitesOf } from './references.js';
import type { Snapshot } from './snapshot.js';
import { checkConditions } from './validate-conditions.js';
import type { PatternCheck } from './validate-conditions.js';
import { checkJson } from './validate-json.js';
import { checkReference } from './validate-references.js';
import { checkGate, checkMeasure, checkServe, variantCheck } from './validate-serving.js';
import { ruleWarnings } from './warnings.js';

/** What a document is judged against: at least everything that it reaches. */
export type Surroundings = Pick<Snapshot, 'flags' | 'cohorts'>;

const TYPES: readonly FlagType[] = ['boolean', 'string', 'number', 'object'];

/** Names that evaluation itself puts into an answer's metadata. */
const RESERVED = new Set(['version', 'ruleId', 'prerequisiteFailed', 'unitMissing', 'rollout', 'epoch', 'arm']);
const MOST_METADATA = 20;
const METADATA_BYTES = 1_024;

/** A key as everything in Fledge has one. */
export const checkKey: Check = expecting(
  isKey,
  'a key: 1 to 100 ASCII letters, digits, dots, underscores and hyphens, a letter or digit first',
  'invalid_key',
);

function isFlagType(value: unknown): value is FlagType {
  return TYPES.some((type) => type === value);
}

const checkType: Check = expecting(isFlagType, `one of ${TYPES.join(', ')}`);

/** The bytes of a value's JSON in UTF-8; 0 for what is none. */
function bytesOf(value: unknown): number {
  try {
    return encodeURIComponent((JSON.stringify(value) ?? '').replace(/\p{Cs}/gu, '?')).replace(/%../g, '_').length;
  } catch {
    return 0;
  }
}

function checkSize(value: unknown, pointer: string, report: Report, bound: Bound): void {
  refuseBeyond(report, pointer, bound, bytesOf(value), { what: 'bytes of JSON', code: 'too_large' });
}

/** The variants of a flag of that type. */
function variantsCheck(type: unknown, limits: DocumentLimits): Check {
  return (variants, pointer, report) => {
    if (!isRecord(variants)) {
      unexpected(report, pointer, 'wrong_type', 'an object of named values', variants);
      return;
    }
    const keys = Object.keys(variants);
    if (keys.length === 0) refuse(report, pointer, 'empty', 'Expected at least one variant; got none.');
    refuseMany(report, pointer, boundOf(limits, 'variantsPerFlag'), 'variants', keys.length);
    const expected = type === 'object' ? 'a JSON object or list' : `a ${asText(type)}`;
    const seen = new Set<string>();
    for (const key of keys) {
      const at = below(pointer, key);
      checkKey(key, at, report);
      if (seen.has(key.toLowerCase()))
        unexpected(report, at, 'duplicate', 'keys of variants that differ by more than case', key);
      seen.add(key.toLowerCase());
      const value = variants[key];
      const fits = value !== null && typeof value === type;
      if (isFlagType(type) && !fits) unexpected(report, at, 'wrong_type', `${expected}, the type of the flag`, value);
      checkSize(value, at, report, boundOf(limits, 'bytesPerValue'));
    }
  };
}

const checkMetadata: Check = (metadata, pointer, report) => {
  if (!isRecord(metadata)) {
    unexpected(report, pointer, 'wrong_type', 'an object', metadata);
    return;
  }
  const names = Object.keys(metadata);
  refuseMany(report, pointer, MOST_METADATA, 'entries', names.length);
  checkSize(metadata, pointer, report, METADATA_BYTES);
  for (const name of names) {
    const at = below(pointer, name);
    if (RESERVED.has(name))
      refuse(report, at, 'reserved', `Expected another name: evaluation itself writes "${name}" into the metadata.`);
    expecting(isScalar, 'a text, a number, true or false')(metadata[name], at, report);
  }
};

/**
 * Every problem of a flag's project-wide part alone: `{key, type, variants, metadata?, variantInfo?}`, the last being
 * what people read instead of keys.
 */
export function validateDefinition(definition: unknown, limits: DocumentLimits = DEFAULT_DOCUMENT_LIMITS): Validation {
  const report: Report = { problems: [] };
  checkJson(definition, '', report);
  const variants = own(definition, 'variants');
  const checkInfo: Check = (info, pointer) => {
    if (!isRecord(info)) unexpected(report, pointer, 'wrong_type', 'an object', info);
    else
      for (const [key, entry] of Object.entries(info)) {
        const at = below(pointer, key);
        variantCheck(variants)(key, at, report);
        checkObject(entry, at, report, {}, { name: checkText, description: checkText });
      }
  };
  const checkVariants = variantsCheck(own(definition, 'type'), limits);
  const required = { key: checkKey, type: checkType, variants: checkVariants };
  checkObject(definition, '', report, required, { metadata: checkMetadata, variantInfo: checkInfo });
  return { problems: report.problems, warnings: [] };
}

function ruleCheck(cohorts: Check, variant: Check, limits: DocumentLimits, further: PatternCheck | undefined): Check {
  const ids = new Set<unknown>();
  return (rule, pointer, report) => {
    checkObject(
      rule,
      pointer,
      report,
      {
        id: (id, at) => {
          if (!isText(id) || id === '' || id.length > 100)
            unexpected(report, at, 'invalid_key', 'an id of 1 to 100 characters', id);
          else if (ids.has(id)) unexpected(report, at, 'duplicate', 'an id that no other rule of the flag has', id);
          ids.add(id);
        },
        conditions: (conditions, at) => checkConditions(conditions, at, report, limits, cohorts, further),
        serve: (serve, at) => checkServe(serve, at, report, variant),
      },
      {
        description: checkText,
        enabled: checkBoolean,
        gate: (gate, at) => checkGate(gate, at, report, variant),
        measure: (measure, at) => checkMeasure(measure, at, report, variant),
      },
    );
  };
}

function prerequisiteCheck(self: string | undefined, { flags }: Surroundings, limits: DocumentLimits): Check {
  const seen = new Set<unknown>();
  const namesOf = (key: string): Set<string> | undefined =>
    Object.hasOwn(flags, key) && flags[key] !== undefined ? prerequisitesOf(flags[key]) : undefined;
  const kind = { code: 'unknown_flag', what: 'a flag' } as const;
  return (prerequisite, pointer, report) => {
    const wanted = own(prerequisite, 'flag');
    checkObject(prerequisite, pointer, report, {
      flag: (flag, at) => {
        if (seen.has(flag)) unexpected(report, at, 'duplicate', 'each flag at most once', flag);
        else checkReference(flag, at, report, kind, self, namesOf, limits.referenceDepth);
        seen.add(flag);
      },
      variants: (variants, at) => {
        const known = isText(wanted) ? own(own(flags, wanted), 'variants') : undefined;
        checkList(
          variants,
          at,
          report,
          boundOf(limits, 'variantsPerFlag'),
          known === undefined ? checkName : variantCheck(known),
        );
        if (isList(variants) && variants.length === 0)
          refuse(report, at, 'empty', 'Expected at least one variant: a prerequisite without any never holds.');
      },
    });
  };
}

/** A check of a reference to a cohort from a flag, or from the cohort `self`. */
export function cohortCheck({ cohorts }: Surroundings, limits: DocumentLimits, self?: string): Check {
  const kind = { code: 'unknown_cohort', what: 'a cohort' } as const;
  const namesOf = (key: string): Set<string> | undefined =>
    Object.hasOwn(cohorts, key) && cohorts[key] !== undefined ? cohortsOfCohort(cohorts[key]) : undefined;
  return (name, pointer, report) => checkReference(name, pointer, report, kind, self, namesOf, limits.referenceDepth);
}

/**
 * Every problem of a flag as an environment would serve it, with JSON pointers into the document, and warnings about
 * what is legal but probably not meant. `checkPattern` may refuse patterns that the portable subset allows.
 */
export function validateFlag(
  flag: unknown,
  snapshot: Surroundings,
  limits: DocumentLimits = DEFAULT_DOCUMENT_LIMITS,
  checkPattern?: PatternCheck,
): Validation {
  const report: Report = { problems: [] };
  checkJson(flag, '', report);
  const key = own(flag, 'key');
  const variant = variantCheck(own(flag, 'variants'));
  const optionalVariant: Check = (value, pointer) => value === null || variant(value, pointer, report);
  const rule = ruleCheck(cohortCheck(snapshot, limits), variant, limits, checkPattern);
  const prerequisite = prerequisiteCheck(isText(key) ? key : undefined, snapshot, limits);
  checkObject(
    flag,
    '',
    report,
    {
      key: checkKey,
      type: checkType,
      enabled: checkBoolean,
      variants: variantsCheck(own(flag, 'type'), limits),
      offVariant: optionalVariant,
      prerequisites: (list, at) => checkList(list, at, report, boundOf(limits, 'rulesPerFlag'), prerequisite),
      rules: (list, at) => checkList(list, at, report, boundOf(limits, 'rulesPerFlag'), rule),
      fallthrough: (serve, at) => serve === null || checkServe(serve, at, report, variant),
    },
    { metadata: checkMetadata, measure: (measure, at) => checkMeasure(measure, at, report, variant) },
  );
  return { problems: report.problems, warnings: isFlag(flag, report) ? ruleWarnings(flag) : [] };
}

function isFlag(flag: unknown, report: Report): flag is Flag {
  return flag !== undefined && report.problems.length === 0;
}
