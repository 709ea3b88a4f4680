import type { IncomingMessage, ServerResponse } from 'node:http';
import { Fingerprint, PortcullisError, type VerdictView } from '@portcullis/contract';
import { z } from 'zod';
import type { Sink } from '../../storage/sink.ts';
import type { Ground } from '../admit.ts';
import type { Connection } from '../connections.ts';
import { explain } from '../explain.ts';
import type { Metrics } from '../metrics.ts';
import type { Verdicts } from '../verdicts.ts';
import { answerFailure, answerJson } from './answer.ts';

export interface OperatorParts {
  gate: string;
  ground: Ground;
  sink: Sink;
  verdicts: Verdicts;
  metrics: Metrics;
}

const Limit = z.coerce.number().int().min(1).max(1_000).default(100);
const ExplainQuery = z.strictObject({
  subject: z.string().max(64).optional(),
  certificate: Fingerprint.optional(),
  stream: z.string().max(64).optional(),
});
const VerdictQuery = z.strictObject({
  follow: z.enum(['1']).optional(),
  subject: z.string().max(64).optional(),
  after: z.string().regex(/^\d+$/).max(20).optional(),
  limit: Limit,
});
const ReadingQuery = z.strictObject({
  stream: z.string().max(64).optional(),
  subject: z.string().max(64).optional(),
  after: z.string().regex(/^\d+$/).max(20).optional(),
  limit: Limit,
});

type Handler = (
  parts: OperatorParts,
  query: Record<string, string>,
  response: ServerResponse,
  connection: Connection,
) => void | Promise<void>;

/** What the gate's listener serves to kind `operator`. */
const routes: Record<string, Handler> = {
  '/v1/explain': explainRoute,
  '/v1/verdicts': verdictsRoute,
  '/v1/readings': readingsRoute,
  '/v1/metrics': metricsRoute,
};

export const operatorPaths = Object.keys(routes);

/** False when the path is none of theirs. */
export function serveOperator(
  parts: OperatorParts,
  connection: Connection,
  request: IncomingMessage,
  response: ServerResponse,
): boolean {
  const url = new URL(request.url ?? '/', 'https://gate');
  const handler = routes[url.pathname];
  if (!handler || request.method !== 'GET') return false;
  if (!isOperator(parts.ground, connection)) {
    response.setHeader('connection', 'close');
    answerFailure(response, 'kind_not_allowed', `${url.pathname} admits [operator]`);
    return true;
  }
  void serve(handler, parts, url, response, connection);
  return true;
}

async function serve(
  handler: Handler,
  parts: OperatorParts,
  url: URL,
  response: ServerResponse,
  connection: Connection,
): Promise<void> {
  try {
    await handler(parts, Object.fromEntries(url.searchParams), response, connection);
  } catch (error) {
    if (response.headersSent) response.destroy();
    else if (error instanceof z.ZodError) answerFailure(response, 'request_malformed', z.prettifyError(error));
    else if (error instanceof PortcullisError) answerFailure(response, error.code, error.message);
    else answerFailure(response, 'internal', 'the gate could not answer');
  }
}

/** The same steps as for a reading, but for the stream: an operator is one while the replica says so. */
export function isOperator({ replica, lease, validityTime }: Ground, connection: Connection): boolean {
  const row = connection.rowIn(replica);
  if (row === -1 || !lease.holds() || replica.standingOf(row) !== 'valid') return false;
  const now = validityTime();
  if (now < replica.notBeforeOf(row) || now > replica.notAfterOf(row)) return false;
  return replica.kindOf(replica.subjectOf(row)) === 'operator';
}

function explainRoute({ ground, gate }: OperatorParts, query: Record<string, string>, response: ServerResponse): void {
  const asked = ExplainQuery.parse(query);
  const streams = [...ground.policy.streams.values()].filter(
    ({ name }) => asked.stream === undefined || name === asked.stream,
  );
  if (asked.stream !== undefined && streams.length === 0) {
    throw new PortcullisError(
      'route_unknown',
      `the gate has no stream "${asked.stream}"; it has [${[...ground.policy.streams.keys()].join(', ')}]`,
    );
  }
  const items = certificatesOf(ground, asked).flatMap((fingerprint) =>
    streams.map((stream) => explain(ground, gate, fingerprint, stream)),
  );
  answerJson(response, 200, { items });
}

function certificatesOf({ replica }: Ground, { subject, certificate }: z.infer<typeof ExplainQuery>): string[] {
  if (certificate !== undefined) return [certificate];
  if (subject === undefined) throw new PortcullisError('request_malformed', 'name a subject or a certificate');
  const row = replica.findSubject(subject);
  if (row === -1) throw new PortcullisError('subject_unknown', `the gate knows no subject "${subject}"`);
  return replica.certificatesOf(row).map((certificate) => replica.fingerprintOf(certificate));
}

async function verdictsRoute(
  { sink, verdicts }: OperatorParts,
  query: Record<string, string>,
  response: ServerResponse,
): Promise<void> {
  const { follow, ...asked } = VerdictQuery.parse(query);
  if (follow === undefined) return answerJson(response, 200, await sink.refusals(asked));
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  response.flushHeaders();
  const wanted = (line: VerdictView) => asked.subject === undefined || line.subject === asked.subject;
  const stop = verdicts.follow((line) => {
    // A reader that does not keep up loses lines, not the gate its memory.
    if (wanted(line) && response.writableLength < 1_048_576) response.write(`${JSON.stringify(line)}\n`);
  });
  response.once('close', stop);
}

async function readingsRoute(
  { sink }: OperatorParts,
  query: Record<string, string>,
  response: ServerResponse,
): Promise<void> {
  answerJson(response, 200, await sink.read(ReadingQuery.parse(query)));
}

async function metricsRoute(
  { metrics }: OperatorParts,
  _query: Record<string, string>,
  response: ServerResponse,
): Promise<void> {
  const text = await metrics.text();
  response.writeHead(200, { 'content-type': metrics.contentType });
  response.end(text);
}
