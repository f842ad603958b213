/** One thing that is wrong with a document: where (a JSON pointer, RFC 6901), which rule it breaks, and what was expected. */
export type Problem = { readonly pointer: string; readonly code: string; readonly message: string };

/** All problems of a document, never only the first, and warnings about what is legal but probably not meant. */
export type Validation = { readonly problems: readonly Problem[]; readonly warnings: readonly Problem[] };

/** The sizes a document may have. */
export type DocumentLimits = {
  readonly rulesPerFlag: number;
  readonly conditionsPerRule: number;
  readonly valuesPerCondition: number;
  readonly variantsPerFlag: number;
  readonly bytesPerValue: number;
  readonly membersPerCohort: number;
  readonly referenceDepth: number;
};

export const DEFAULT_DOCUMENT_LIMITS: DocumentLimits = {
  rulesPerFlag: 100,
  conditionsPerRule: 20,
  valuesPerCondition: 1_000,
  variantsPerFlag: 50,
  bytesPerValue: 65_536,
  membersPerCohort: 100_000,
  referenceDepth: 10,
};
