import type { OutgoingHttpHeader } from 'node:http';
import { type FailureCode, failures, type Problem, problemMediaType } from '@portcullis/contract';
import { throwAwayBody } from '../../../bounds/bounds.ts';
import { problemOf } from '../told.ts';
import type { Incoming, Outgoing } from './transport.ts';

/** When a gate that can not decide is worth asking again. */
const retryAfterSeconds = 1;

export function failureProblem(code: FailureCode, detail?: string): Problem {
  return { ...problemOf(code, failures[code]), ...(detail !== undefined && { detail }) };
}

export function sendJson(response: Outgoing, value: unknown): void {
  send(response, 200, 'application/json', JSON.stringify(value), false);
}

/** What a status obliges its answer to say: RFC 9110 §10.2.3, §12.5.1 and §12.5.3. */
const furtherHeaders: Record<number, Record<string, OutgoingHttpHeader>> = {
  415: { accept: 'application/json, application/x-ndjson', 'accept-encoding': 'identity' },
  503: { 'retry-after': retryAfterSeconds },
};

/** RFC 9110 §15.5.6: the answer names what is allowed. */
export function refuseMethod(request: Incoming, response: Outgoing, allow: string): void {
  throwAwayBody(request);
  const detail = `the method is "${request.method}"; it must be one of [${allow}]`;
  const body = JSON.stringify(failureProblem('method_not_allowed', detail));
  send(response, failures.method_not_allowed.status, problemMediaType, body, false, { allow });
}

interface More {
  /** What the route takes, where it is not readings. */
  accept?: string | undefined;
  headers?: Record<string, OutgoingHttpHeader>;
}

const furtherOf = ({ status }: Problem, { accept, headers }: More) => ({
  ...furtherHeaders[status],
  ...(status === 415 && accept !== undefined && { accept }),
  ...headers,
});

export function sendProblem(response: Outgoing, problem: Problem, close: boolean, more: More = {}): void {
  send(response, problem.status, problemMediaType, JSON.stringify(problem), close, furtherOf(problem, more));
}

/** All of the answer goes out, and that the connection ends with it; the caller ends both. */
export function tellProblem(response: Outgoing, problem: Problem, more: More = {}): void {
  const body = JSON.stringify(problem);
  response.writeHead(problem.status, headersOf(problemMediaType, body, true, furtherOf(problem, more)));
  response.write(body);
}

export function send(
  response: Outgoing,
  status: number,
  type: string,
  body: string | Buffer,
  close: boolean,
  further?: Record<string, OutgoingHttpHeader>,
): void {
  response.writeHead(status, headersOf(type, body, close, further));
  response.end(body);
}

function headersOf(
  type: string,
  body: string | Buffer,
  close: boolean,
  further?: Record<string, OutgoingHttpHeader>,
): Record<string, OutgoingHttpHeader> {
  const headers: Record<string, OutgoingHttpHeader> = {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    ...further,
  };
  if (close) headers.connection = 'close';
  return headers;
}
