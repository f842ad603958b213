import { request, type Agent, type IncomingMessage } from 'node:http';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import type { Answer } from './document.js';
import type { FuzzRequest } from './requests.js';

/** @throws for a body that is not of its coding */
function decoded(coding: string, body: Buffer): Buffer {
  if (body.length === 0) return body;
  return coding === 'br' ? brotliDecompressSync(body) : coding === 'gzip' ? gunzipSync(body) : body;
}

const PATIENCE_MS = 30_000;

/** Sends a request as it is and answers the answer; of a stream its head. @throws when there is none in time */
export function send(agent: Agent, url: string, asked: FuzzRequest, token: string): Promise<Answer> {
  const { operation, path, headers, body } = asked;
  return new Promise((resolve, reject) => {
    const sent = request(url, {
      agent,
      path,
      method: operation.method,
      headers: {
        ...headers,
        ...(token !== '' && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }),
      },
    });
    sent.setTimeout(PATIENCE_MS, () => sent.destroy(new Error(`no answer within ${PATIENCE_MS} ms`)));
    sent.on('error', reject);
    sent.on('response', (answer: IncomingMessage) => {
      const { statusCode: status = 0, headers: told } = answer;
      const type = told['content-type'];
      const chunks: Buffer[] = [];
      const coding = told['content-encoding'] ?? 'identity';
      const done = (): void => {
        try {
          resolve({ status, type, body: decoded(coding, Buffer.concat(chunks)).toString() });
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      };
      if (type?.startsWith('text/event-stream') === true) {
        done();
        answer.destroy();
        return;
      }
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', done);
      answer.on('error', reject);
    });
    sent.end(body);
  });
}
