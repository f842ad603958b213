import type { Response } from 'supertest';
import { expect } from 'vitest';

type ProblemBody = {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly errors?: readonly { readonly pointer: string; readonly code: string; readonly message: string }[];
};

/** Expects a refusal as RFC 9457 has it, and answers its body. */
export function expectProblem(answer: Response, status: number, code: string): ProblemBody & Record<string, unknown> {
  const body = answer.body as ProblemBody & Record<string, unknown>;
  expect({ status: answer.status, code: body.code, detail: body.detail }).toEqual({
    status,
    code,
    detail: expect.stringMatching(/\S/) as string,
  });
  expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
  expect(body).toMatchObject({
    type: `urn:fledge:problem:${code}`,
    status,
    title: expect.stringMatching(/\S/) as string,
  });
  for (const problem of body.errors ?? []) {
    expect(problem).toEqual({
      pointer: expect.stringMatching(/^(\/|$)/) as string,
      code: expect.stringMatching(/^[a-z_]+$/) as string,
      message: expect.stringMatching(/\S/) as string,
    });
  }
  return body;
}

/** Expects a 422 that names exactly these problems, in any order, each as `pointer code`. */
export function expectInvalid(answer: Response, ...problems: string[]): void {
  const { errors = [] } = expectProblem(answer, 422, 'invalid');
  expect(errors.map(({ pointer, code }) => `${pointer} ${code}`).sort()).toEqual(problems.sort());
}
