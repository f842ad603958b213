import { below, boundOf, checkList, checkName, checkObject, refuseMany, unexpected } from './checks.js';
import type { Check, Report } from './checks.js';
import type { Cohort } from './cohort.js';
import { elements, isText, own } from './json.js';
import { DEFAULT_DOCUMENT_LIMITS } from './problem.js';
import type { DocumentLimits, Problem, Validation } from './problem.js';
import { checkConditions } from './validate-conditions.js';
import type { PatternCheck } from './validate-conditions.js';
import { checkKey, cohortCheck } from './validate-flag.js';
import type { Surroundings } from './validate-flag.js';
import { checkJson } from './validate-json.js';
import { checkGate } from './validate-serving.js';
import { cohortRuleWarnings } from './warnings.js';

function checkApart(document: unknown, one: string, other: string, report: Report): void {
  const members = new Set(elements(own(document, one)));
  for (const [index, member] of elements(own(document, other)).entries())
    if (members.has(member))
      unexpected(report, below(`/${other}`, index), 'in_both_lists', `a unit that is not in "${one}" as well`, member);
}

/** Every problem of a batch of members to add and remove, which must be lists of units without a unit in common. */
export function validateMembers(
  add: unknown,
  remove: unknown,
  pointers: { readonly add: string; readonly remove: string } = { add: '/add', remove: '/remove' },
): Problem[] {
  const report: Report = { problems: [] };
  const added = new Set(elements(add));
  const checkRemoved: Check = (member, pointer) => {
    checkName(member, pointer, report);
    if (added.has(member)) unexpected(report, pointer, 'in_both_lists', 'a unit that is not added as well', member);
  };
  checkJson(add, pointers.add, report);
  checkJson(remove, pointers.remove, report);
  checkList(add, pointers.add, report, Infinity, checkName);
  checkList(remove, pointers.remove, report, Infinity, checkRemoved);
  return report.problems;
}

/** Every problem of a cohort, its members included, with JSON pointers, and warnings; see `validateFlag`. */
export function validateCohort(
  cohort: unknown,
  snapshot: Surroundings,
  limits: DocumentLimits = DEFAULT_DOCUMENT_LIMITS,
  checkPattern?: PatternCheck,
): Validation {
  const report: Report = { problems: [] };
  checkJson(cohort, '', report);
  const key = own(cohort, 'key');
  const reference = cohortCheck(snapshot, limits, isText(key) ? key : undefined);
  const checkMembers: Check = (members, at) => checkList(members, at, report, Infinity, checkName);
  const checkRule: Check = (rule, pointer) => {
    const conditions: Check = (list, at) => checkConditions(list, at, report, limits, reference, checkPattern);
    checkObject(rule, pointer, report, { conditions }, { gate: (gate, at) => checkGate(gate, at, report) });
  };
  checkObject(
    cohort,
    '',
    report,
    {
      key: checkKey,
      included: checkMembers,
      excluded: checkMembers,
      rules: (rules, at) => checkList(rules, at, report, boundOf(limits, 'rulesPerFlag'), checkRule),
    },
    { attribute: checkName },
  );
  checkApart(cohort, 'included', 'excluded', report);
  const members = elements(own(cohort, 'included')).length + elements(own(cohort, 'excluded')).length;
  refuseMany(report, '/included', boundOf(limits, 'membersPerCohort'), 'members', members);
  return { problems: report.problems, warnings: isCohort(cohort, report) ? cohortRuleWarnings(cohort) : [] };
}

function isCohort(cohort: unknown, report: Report): cohort is Cohort {
  return cohort !== undefined && report.problems.length === 0;
}
