/** How much one caller may ask of this process. A rate of 0 is no limit. */
export type RequestLimits = {
  /** The bytes of a body. */
  readonly bodyBytes: number;
  /** The levels of lists and objects inside each other in a body. */
  readonly bodyDepth: number;
  /** The seconds that the head of a request may take to arrive, */
  readonly headersSeconds: number;
  /** and the whole of it. How long the answer takes is not limited: streams have no end. */
  readonly requestSeconds: number;
  /** The open connections of all callers together. */
  readonly connections: number;
  /** Requests of whatever kind from one address in a second, */
  readonly addressPerSecond: number;
  /** and those of them in a minute whose token was refused. */
  readonly refusalsPerMinute: number;
  /** Requests with one management token in a second, */
  readonly managementPerSecond: number;
  /** with one key to the paths of the SDK, */
  readonly sdkPerSecond: number;
  /** and with one key to those of remote evaluation. */
  readonly ofrepPerSecond: number;
};

export type RateName = Extract<keyof RequestLimits, `${string}Per${string}`>;

export const DEFAULT_REQUEST_LIMITS: RequestLimits = {
  bodyBytes: 1_048_576,
  bodyDepth: 32,
  headersSeconds: 10,
  requestSeconds: 30,
  connections: 20_000,
  addressPerSecond: 10_000,
  refusalsPerMinute: 100,
  managementPerSecond: 1_000,
  sdkPerSecond: 5_000,
  ofrepPerSecond: 5_000,
};

/** From the least to the most that each may be set to. */
export const RANGES: Readonly<Record<keyof RequestLimits, readonly [least: number, most: number]>> = {
  bodyBytes: [1_024, 67_108_864],
  bodyDepth: [8, 100],
  headersSeconds: [1, 3_600],
  requestSeconds: [1, 3_600],
  connections: [1, 1_000_000],
  addressPerSecond: [0, 10_000_000],
  refusalsPerMinute: [0, 10_000_000],
  managementPerSecond: [0, 10_000_000],
  sdkPerSecond: [0, 10_000_000],
  ofrepPerSecond: [0, 10_000_000],
};

/** The variable that sets a limit: bodyBytes is FLEDGE_LIMIT_BODY_BYTES. */
export const variableOf = (limit: string): string =>
  `FLEDGE_LIMIT_${limit.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
