import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { type FailureCode, failures, PortcullisError, type Problem, problemMediaType } from '@portcullis/contract';
import type { FastifyError, FastifyReply } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { isLongBody, throwAwayBody } from '../bounds/bounds.ts';
import type { FailedRequests } from './failed-requests.ts';

/** The only place where what went wrong inside becomes what the outside is told. */
export function answerError(error: unknown, reply: FastifyReply, failed: FailedRequests): FastifyReply {
  const { code, message, retryAfterSeconds, compared } = translated(error);
  const { status, title, retry } = failures[code];
  if (status >= 500) failed.note(error, code, message);
  // Who renewed its certificate must not be held to the old one by a connection that stays open (FIELD-NOTES A5).
  if (code === 'not_authenticated') reply.header('connection', 'close');
  // RFC 9110 §15.5.16: what is taken is said.
  if (status === 415) reply.headers({ accept: 'application/json', 'accept-encoding': 'identity' });
  if (retry && status !== 500) reply.header('retry-after', retryAfterSeconds);
  const problem: Problem = { type: 'about:blank', title, status, reason: code, detail: message, ...compared };
  reply.code(status).header('content-type', problemMediaType);
  const { raw: request } = reply.request;
  return isLongBody(request) ? sendEarly(request, reply, problem) : reply.send(JSON.stringify(problem));
}

/** Before the body has come: it is not read on, and the answer ends the connection. */
function sendEarly(request: IncomingMessage, reply: FastifyReply, problem: Problem): FastifyReply {
  const body = JSON.stringify(problem);
  reply.headers({ connection: 'close', 'content-length': Buffer.byteLength(body) });
  reply.hijack();
  reply.raw.writeHead(problem.status, reply.getHeaders() as OutgoingHttpHeaders);
  reply.raw.write(body);
  throwAwayBody(request, reply.raw);
  return reply;
}

interface Translated {
  code: FailureCode;
  message: string;
  retryAfterSeconds: number;
  /** What was expected, and what was found in its place. */
  compared?: Pick<Problem, 'expected' | 'found'>;
}

/** Fastify's own errors, by code: https://fastify.dev/docs/latest/Reference/Errors/ */
const fastifyCodes: Record<string, FailureCode> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'request_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'media_type_unsupported',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'request_malformed',
  FST_ERR_CTP_INVALID_JSON_BODY: 'request_malformed',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'request_malformed',
  FST_ERR_BAD_URL: 'request_malformed',
};

function translated(error: unknown): Translated {
  const retryAfterSeconds = 1;
  if (error instanceof PortcullisError) {
    const asked = Number(error.detail.retryAfterSeconds ?? retryAfterSeconds);
    const { expected, found } = error.detail;
    const compared = { ...(expected !== undefined && { expected }), ...(found !== undefined && { found }) };
    return { code: error.code, message: error.message, retryAfterSeconds: asked, compared };
  }
  if (hasZodFastifySchemaValidationErrors(error)) {
    const [first] = error.validation;
    const where = `${error.validationContext}${(first?.instancePath ?? '').replace(/\/$/, '').replaceAll('/', '.')}`;
    return { code: 'request_malformed', message: `${where}: ${first?.message ?? 'does not fit'}`, retryAfterSeconds };
  }
  const { code = '', statusCode = 500 } = error as FastifyError;
  const known = fastifyCodes[code] ?? (statusCode === 400 ? 'request_malformed' : undefined);
  if (known) return { code: known, message: failures[known].title, retryAfterSeconds };
  return { code: 'internal', message: failures.internal.title, retryAfterSeconds };
}
