import fc from 'fast-check';
import type { ApiDocument, Operation, Parameter } from './document.js';
import { headerValue, hostileHeaders, rawBody, tooLarge, tricky } from './hostile.js';
import { KNOWN, nasty, satisfying, spoiled, text } from './values.js';

export type FuzzRequest = {
  readonly operation: Operation;
  /** How far from what the document asks for. */
  readonly kind: 'valid' | 'nearly' | 'hostile';
  readonly path: string;
  /** The path is bent: whatever it leads to need not be the operation. */
  readonly strays: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer | undefined;
  /** Which of the callers asks: see World. */
  readonly caller: number;
};

/** What requests may name beside keys: the ids of things that were made for them, by the name of the parameter. */
export type Ids = Readonly<Record<'id' | 'change' | 'rollout' | 'delivery' | 'token', readonly string[]>>;

/** Requests to every operation of the document: such as it describes, such with a mistake or two, and such as no client sends. */
export function requestsTo(document: ApiDocument, ids: Ids): fc.Arbitrary<FuzzRequest> {
  const all = (of: (operation: Operation, document: ApiDocument, ids: Ids) => fc.Arbitrary<FuzzRequest>) =>
    fc.oneof(...document.operations.map((operation) => of(operation, document, ids)));
  return fc.oneof(
    { weight: 3, arbitrary: all(asDescribed) },
    { weight: 4, arbitrary: all(withMistakes) },
    { weight: 3, arbitrary: all(asNobodyWould) },
  );
}

const JSON_TYPE = { 'content-type': 'application/json' };
const CALLER = fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 3, arbitrary: fc.nat({ max: 99 }) });
/** The one of the callers whom the path is for. */
const meantFor = ({ path }: Operation): number => (/^\/(?:sdk|ofrep)\//.test(path) ? 1 : 0);

const PRECONDITION = fc.constantFrom<Readonly<Record<string, string>>>(
  { 'if-match': '*' },
  { 'if-match': '*' },
  {},
  { 'if-match': '"1"' },
  { 'if-none-match': '*' },
);

function asDescribed(operation: Operation, document: ApiDocument, ids: Ids): fc.Arbitrary<FuzzRequest> {
  return fc
    .record({
      path: pathOf(operation, (name) => fc.constantFrom(...namesFor(name, ids))),
      query: queryOf(operation.parameters, fittingIn(document, ids), 3),
      body: bodiesOf(operation, document),
      caller: fc.oneof({ weight: 7, arbitrary: fc.constant(meantFor(operation)) }, CALLER),
      precondition: PRECONDITION,
    })
    .map(({ path, query, body, caller, precondition }) => ({
      operation,
      kind: 'valid',
      path: path + query,
      strays: false,
      headers: { ...precondition, ...(body !== undefined && JSON_TYPE) },
      body: body === undefined ? undefined : JSON.stringify(body),
      caller,
    }));
}

function withMistakes(operation: Operation, document: ApiDocument, ids: Ids): fc.Arbitrary<FuzzRequest> {
  const name = (parameter: string) =>
    fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...namesFor(parameter, ids)) }, text);
  return fc
    .record({
      path: pathOf(operation, name),
      query: queryOf(operation.parameters, (parameter) => fc.oneof(fittingIn(document, ids)(parameter), nasty), 5),
      body: bodiesOf(operation, document).chain((body) => (body === undefined ? fc.constant(body) : spoiled(body))),
      caller: CALLER,
      headers: fc.oneof(
        PRECONDITION,
        fc.record({ 'if-match': headerValue, 'idempotency-key': headerValue }, { requiredKeys: [] }),
      ),
    })
    .map(({ path, query, body, caller, headers }) => ({
      operation,
      kind: 'nearly',
      path: path + query,
      strays: false,
      headers: { ...headers, ...(body !== undefined && JSON_TYPE) },
      body: body === undefined ? undefined : JSON.stringify(body),
      caller,
    }));
}

function asNobodyWould(operation: Operation, document: ApiDocument, ids: Ids): fc.Arbitrary<FuzzRequest> {
  const known = (parameter: string) => fc.constantFrom(...namesFor(parameter, ids));
  const name = (parameter: string) => fc.oneof(known(parameter), nasty, fc.string({ unit: 'binary' }));
  return fc
    .record({
      way: fc.oneof(
        { weight: 3, arbitrary: pathOf(operation, name).map((path) => ({ path, strays: false })) },
        {
          weight: 1,
          arbitrary: pathOf(operation, known)
            .chain(tricky)
            .map((path) => ({ path, strays: true })),
        },
      ),
      query: fc.array(fc.tuple(fc.oneof(text, fc.constantFrom('limit', 'cursor', 'sort', 'q', '__proto__')), nasty), {
        maxLength: 4,
      }),
      body: fc.oneof(
        { weight: 20, arbitrary: rawBody },
        { weight: 20, arbitrary: bodiesOf(operation, document).map((body) => JSON.stringify(body) ?? '') },
        { weight: 1, arbitrary: tooLarge },
      ),
      headers: hostileHeaders,
      caller: CALLER,
    })
    .map(({ way: { path, strays }, query, body, headers, caller }) => ({
      operation,
      kind: 'hostile',
      strays,
      path:
        path +
        asQuery([
          ...(waits(operation) ? [SOON] : []),
          ...query.map(([key, value]) => [key, shortened(value)] as const),
        ]),
      headers,
      body: operation.method === 'GET' ? undefined : body,
      caller,
    }));
}

/** From the examples, which the service takes as they are, or anything that the schema lets pass. */
function bodiesOf({ body, examples }: Operation, document: ApiDocument): fc.Arbitrary<unknown> {
  if (body === undefined) return fc.constant(undefined);
  const generated = satisfying(body, document);
  if (examples.length === 0) return generated;
  return fc.oneof({ weight: 2, arbitrary: fc.constantFrom(...examples) }, { weight: 3, arbitrary: generated });
}

/** Keys that fit the parameter's name more often than not. */
function namesFor(parameter: string, ids: Ids): readonly string[] {
  switch (parameter) {
    case 'project':
      return [...Array<string>(9).fill('default'), 'mobile'];
    case 'environment':
      return [...Array<string>(6).fill('production'), 'development', 'staging'];
    case 'flag':
    case 'key':
      return ['new-checkout', 'new-checkout', 'banner', 'payments'];
    case 'cohort':
      return ['staff', 'beta'];
    case 'plan':
      return ['ten-minutes', 'standard'];
    case 'rollout':
      return [...ids.rollout, ...ids.rollout, ...ids.rollout, 'key:pipeline-42', NOTHING];
    case 'webhook':
      return ['chat', 'chat', 'audit'];
    case 'delivery':
      return [...ids.delivery, ...ids.delivery, NOTHING];
    case 'change':
      return [...ids.change, '1', '2', '3'];
    case 'id':
      return [...ids.id, NOTHING, '1'];
    default:
      return KNOWN;
  }
}

/** The id of nothing. */
const NOTHING = '00000000-0000-4000-8000-000000000000';

function pathOf({ path }: Operation, name: (parameter: string) => fc.Arbitrary<string>): fc.Arbitrary<string> {
  const parts = path.split('/').map((part) => {
    const parameter = /^\{(.*)\}$/.exec(part)?.[1];
    return parameter === undefined ? fc.constant(part) : name(parameter).map((key) => encode(shortened(key)));
  });
  return fc.tuple(...parts).map((all) => all.join('/'));
}

function queryOf(
  parameters: readonly Parameter[],
  value: (parameter: Parameter) => fc.Arbitrary<string>,
  tenths: number,
): fc.Arbitrary<string> {
  const pairs = parameters
    .filter((parameter) => parameter.in === 'query')
    .map((parameter) => {
      const pair = value(parameter).map((given): [string, string] => [parameter.name, shortened(given)]);
      if (parameter.name === 'timeout' || parameter.name === 'token') return pair;
      return fc.oneof({ weight: tenths, arbitrary: pair }, { weight: 10 - tenths, arbitrary: fc.constant(undefined) });
    });
  return fc.tuple(...pairs).map((chosen) => asQuery(chosen.filter((pair) => pair !== undefined)));
}

/** A value of a query as the operation means it. */
const fittingIn =
  (document: ApiDocument, ids: Ids) =>
  ({ name, schema }: Parameter): fc.Arbitrary<string> => {
    switch (name) {
      case 'confirm':
        return fc.constantFrom('default', 'mobile', 'production', 'development', 'staging');
      case 'timeout':
        return fc.constantFrom('0s', '1s');
      case 'token':
        return fc.constantFrom(...ids.token, 'x');
      default:
        return satisfying(schema, document).map(String);
    }
  };

/** Who waits without saying how long waits for a minute. */
const waits = ({ parameters }: Operation): boolean => parameters.some(({ name }) => name === 'timeout');
const SOON = ['timeout', '0s'] as const;

/** A head of more than 16 KiB is refused before it is a request: that has a test of its own. */
const shortened = (value: string): string => value.slice(0, 1_000);

const asQuery = (pairs: readonly (readonly [string, string])[]): string =>
  pairs.length === 0 ? '' : `?${pairs.map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&')}`;

/** A lone surrogate has no encoding; what stands for it must not be valid either. */
const encode = (name: string): string => (/\p{Cs}/u.test(name) ? '%ed%a0%80' : encodeURIComponent(name));
