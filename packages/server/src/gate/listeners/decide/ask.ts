import {
  CutsQuery,
  type DecideAnswer,
  DecideRequest,
  PortcullisError,
  readJson,
  StreamName,
  shownCertificateLengthMax,
} from '@portcullis/contract';
import { z } from 'zod';
import { GrowingBody, throwAwayBody } from '../../../bounds/bounds.ts';
import { failureProblem, refuseMethod, send, sendProblem } from '../http/answers.ts';
import { targetOf } from '../http/target.ts';
import type { Incoming, Outgoing } from '../http/transport.ts';
import type { Decisions } from './decisions.ts';

/** Base64 and JSON's own letters beside the certificate. */
const bodyBytesMax = 2 * shownCertificateLengthMax;
const certificateHeader = 'client-cert';
const reasonHeader = 'portcullis-reason';
const HeaderQuery = z.strictObject({ stream: StreamName });

/** A request of a proxy, whichever way it came. */
export interface Question {
  request: Incoming;
  response: Outgoing;
}

export interface AskParts {
  decisions: Decisions;
  follow(question: Question, query: CutsQuery): void;
}

const routes: Record<string, { methods: readonly string[]; serve(parts: AskParts, asked: Asked): void }> = {
  '/v1/decide': { methods: ['POST', 'GET', 'HEAD'], serve: decide },
  '/v1/cuts': { methods: ['GET'], serve: followCuts },
};

/** What there is to ask, and what is answered. */
export const askRoutes = {
  'GET /v1/decide':
    'The certificate in `Client-Cert`, the stream in the query: 204, or 403 with `portcullis-reason` (nginx `auth_request`)',
  'POST /v1/decide': 'Both in JSON: the verdict, and of a refusal its code alone',
  'GET /v1/cuts':
    'All certificates that are cut, then how each stands that a change touched (NDJSON, with a beat each second)',
};

interface Asked extends Question {
  query: string | undefined;
}

export function serveAsked(parts: AskParts, { request, response }: Question): void {
  const target = targetOf(request.url ?? '');
  const route = target && Object.hasOwn(routes, target.path) ? routes[target.path] : undefined;
  if (!target || !route) {
    throwAwayBody(request);
    return sendProblem(
      response,
      failureProblem('route_unknown', `where proxies ask there is [${Object.keys(askRoutes).join(', ')}]`),
      false,
    );
  }
  if (!route.methods.includes(request.method ?? '')) return refuseMethod(request, response, route.methods.join(', '));
  guarded(response, () => route.serve(parts, { request, response, query: target.query }));
}

function guarded(response: Outgoing, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (error instanceof z.ZodError) {
      const [first] = error.issues;
      const detail = `${first?.path.join('.')}: ${first?.message}`;
      sendProblem(response, failureProblem('request_malformed', detail), false);
    } else if (error instanceof PortcullisError) {
      sendProblem(response, failureProblem(error.code, error.message), false);
    } else sendProblem(response, failureProblem('internal'), false);
  }
}

function decide(parts: AskParts, asked: Asked): void {
  if (asked.request.method === 'POST') receive(asked, (body) => decideByBody(parts, asked, body));
  else decideByHeader(parts, asked);
}

/** For `auth_request` of nginx, which heeds the status alone, and for who puts the certificate in a header as RFC 9440 does. */
function decideByHeader({ decisions }: AskParts, { request, response, query }: Asked): void {
  throwAwayBody(request);
  const { stream } = HeaderQuery.parse(onlyOnce(new URLSearchParams(query), 'the query'));
  const shown = request.headersDistinct[certificateHeader] ?? [];
  if (shown.length > 1) {
    // Whose is which, nobody can say (FIELD-NOTES H1).
    throw new PortcullisError('request_malformed', `${certificateHeader}: must be there once`);
  }
  const answer = decisions.decide(shown[0] ?? '', stream);
  const headers = answer.verdict === 'refused' ? { [reasonHeader]: answer.reason } : {};
  response.writeHead(answer.verdict === 'admitted' ? 204 : 403, { 'cache-control': 'no-store', ...headers });
  response.end();
}

function decideByBody({ decisions }: AskParts, { response, query }: Asked, body: Buffer): void {
  if (query !== undefined) throw new PortcullisError('request_malformed', 'the query: must be empty');
  const read = readJson(body.toString('utf8'));
  if ('refused' in read) throw new PortcullisError('request_malformed', `body: ${read.refused}`);
  const { certificate, stream } = DecideRequest.parse(read.value);
  const answer: DecideAnswer = decisions.decide(certificate, stream);
  send(response, 200, 'application/json', JSON.stringify(answer), false, { 'cache-control': 'no-store' });
}

function followCuts(parts: AskParts, asked: Asked): void {
  throwAwayBody(asked.request);
  const query = CutsQuery.parse(onlyOnce(new URLSearchParams(asked.query), 'the query'));
  parts.follow(asked, query);
}

function onlyOnce(search: URLSearchParams, where: string): Record<string, string> {
  const names = [...search.keys()];
  const doubled = names.find((name, index) => names.indexOf(name) !== index);
  if (doubled !== undefined) throw new PortcullisError('request_malformed', `${where}: "${doubled}" stands twice`);
  return Object.fromEntries(search);
}

function receive({ request, response }: Asked, received: (body: Buffer) => void): void {
  const body = new GrowingBody(bodyBytesMax);
  let isRefused = false;
  request.on('data', (piece: Buffer) => {
    if (isRefused || body.add(piece) === undefined) return;
    isRefused = true;
    body.letGo();
    const detail = `the body is over ${bodyBytesMax} bytes, or comes in too many pieces`;
    sendProblem(response, failureProblem('request_too_large', detail), true);
    throwAwayBody(request);
  });
  request.once('end', () => {
    if (!isRefused) guarded(response, () => received(body.end()));
  });
}
