import type { ServerResponse } from 'node:http';
import {
  type FailureCode,
  failures,
  type Problem,
  problemMediaType,
  type ReasonCode,
  reasons,
} from '@portcullis/contract';

export function answerJson(response: ServerResponse, status: number, value: unknown): void {
  const body = JSON.stringify(value);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

interface Told {
  detail?: string | undefined;
  line?: number | undefined;
  expected?: unknown;
  found?: unknown;
}

/** A gate that can not decide can in a moment. */
const retryAfterSeconds = 1;

/** RFC 9457, for devices: no more than the reason allows is told (P10). `close`: the connection ends with the answer. */
export function answerReason(response: ServerResponse, reason: ReasonCode, told: Told, close: boolean): void {
  const { told: as, status, title, class: reasonClass } = reasons[reason];
  const name = as === 'itself' ? reason : as;
  const shown = as === 'itself' ? { title, ...told } : { title: reasons.not_admitted.title };
  if (reasonClass === 'gate') response.setHeader('retry-after', retryAfterSeconds);
  if (close) response.setHeader('connection', 'close');
  answerProblem(response, status, { type: 'about:blank', status, reason: name, ...shown });
}

/** For operators. */
export function answerFailure(response: ServerResponse, code: FailureCode, detail: string): void {
  const { status, title } = failures[code];
  answerProblem(response, status, { type: 'about:blank', title, status, reason: code, detail });
}

function answerProblem(response: ServerResponse, status: number, problem: Problem): void {
  const body = JSON.stringify(problem);
  response.writeHead(status, { 'content-type': problemMediaType, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
