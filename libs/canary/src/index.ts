export type * from './plan.js';
export { ACTIONS, COUNTS, DAYS, ON_INCONCLUSIVE } from './plan.js';
export { TEMPLATES, isTemplateName } from './templates.js';
export type { TemplateName } from './templates.js';
export { completePlan } from './complete-plan.js';
export { validatePlan } from './validate-plan.js';
export { durationText, milliseconds, parseDuration } from './duration.js';
export type { Duration } from './duration.js';

export type { Arm, ArmSums, First, Moments, Sums, Tally, Window } from './sums.js';
export { EMPTY_ARM, EMPTY_SUMS, GROUPS, addLists, mergeArms, mergeFirst, mergeMoments, mergeSums } from './sums.js';
export type { Sketch } from './sketch.js';
export {
  EMPTY_SKETCH,
  addToSketch,
  countAbove,
  mergeSketches,
  quantile,
  quantileIndex,
  sketchCount,
  sketchEdge,
  sketchIndex,
} from './sketch.js';
export { LONGEST_MS, SHORTEST_MS } from './sketch.js';
export type { OutcomeItem, OutcomeReport } from './report.js';
export { METRIC_PATTERN, MOST_METRICS, REPORT_ENVELOPE, isReport, validateReport } from './report.js';

export type { Alarm, Evidence, GuardrailEvidence, NewEpoch } from './evidence.js';
export { observe, startEvidence } from './evidence.js';
export type { MarkedMetrics } from './epochs.js';
export { acknowledge, enterEpoch, hasLearned, markedMetrics } from './epochs.js';
export type { TestedEvidence } from './tested.js';
export type { MeanEvidence } from './mean.js';
export type { PointEvidence } from './point.js';
export type { RatioEvidence } from './sample-ratio.js';
export type { TrafficEvidence } from './traffic.js';
export type { Process } from './process.js';
export type { Groups } from './dispersion.js';

export type * from './decision.js';
export { decide, gatesAhead } from './decide.js';
export { checkGuardrails, guardrailName } from './check.js';
export { bakeStep } from './bake.js';
export { isOpen, isTimeZone } from './calendar.js';
export { plannedShare } from './share.js';
export { alphaOf, neededRequests } from './alpha.js';
export { figures } from './reasons.js';
export { forecast } from './forecast.js';
export type { StageForecast, Traffic } from './forecast.js';
