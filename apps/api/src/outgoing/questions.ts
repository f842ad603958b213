import { SealError, type GateAsking, type GateQuestion, type GateSaid } from '@fledge/store';
import type { Errand } from './courier.js';
import { OutgoingError, type Answer, type Outgoing } from './outgoing.js';
import { signed } from './signature.js';

/** What it takes of the store. */
type Asking = Pick<GateAsking, 'claim' | 'secretsOf' | 'answer' | 'release'>;

/** Of what a gate says why. */
const MOST_CHARACTERS = 300;

/** Asks the webhook gates that rollouts wait for. Whatever is no clear yes is a no, and is asked again. */
export function questions(asking: Asking, outgoing: Outgoing): Errand {
  return async (signal) => {
    const question = await asking.claim();
    if (question === undefined) return undefined;
    return async () => {
      const said = await Promise.all(question.gates.map((gate) => ask(asking, outgoing, question, gate, signal)));
      await (signal.aborted ? asking.release(question) : asking.answer(question, said));
    };
  };
}

async function ask(
  asking: Asking,
  outgoing: Outgoing,
  { lease, message }: GateQuestion,
  gate: GateQuestion['gates'][number],
  signal: AbortSignal,
): Promise<GateSaid> {
  // Every question is another one: a receiver that knows a message already says yes to it unread.
  const { index, url } = gate;
  const body = JSON.stringify(message);
  try {
    const headers = signed(`${lease}-${index}`, body, await asking.secretsOf(gate), new Date());
    return { index, ...judge(await outgoing.post(url, headers, body, signal), url) };
  } catch (error) {
    if (!(error instanceof OutgoingError || error instanceof SealError)) throw error;
    return { index, open: false, detail: error.message };
  }
}

/** A 2xx is a yes unless its body says `"open": false`. */
function judge({ status, text }: Answer, url: string): Omit<GateSaid, 'index'> {
  const { origin } = new URL(url);
  if (status < 200 || status >= 300) return { open: false, detail: `${origin} answered ${status}.` };
  const { open = true, reason } = read(text);
  const why = typeof reason === 'string' && reason !== '' ? `: ${printable(reason)}` : '.';
  return { open: open === true, detail: `${origin} says ${open === true ? 'yes' : 'no'}${why}` };
}

function read(text: string): { readonly open?: unknown; readonly reason?: unknown } {
  try {
    const answer: unknown = JSON.parse(text);
    return typeof answer === 'object' && answer !== null ? answer : {};
  } catch {
    return {};
  }
}

/** Postgres keeps neither U+0000 nor lone surrogates, and a line is a line. */
const printable = (text: string): string =>
  // oxlint-disable-next-line no-control-regex -- these are the very things that are replaced
  text.slice(0, MOST_CHARACTERS).replaceAll(/[\u0000-\u001f\u007f]|\p{Surrogate}/gu, ' ');
