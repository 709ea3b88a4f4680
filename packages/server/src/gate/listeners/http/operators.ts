import {
  Fingerprint,
  GateCutQuery,
  type GateHeads,
  type GateStatus,
  oneOf,
  PortcullisError,
  SightingsQuery,
  type Sightings as SightingsView,
  type SubjectId,
  TrialQuery,
} from '@portcullis/contract';
import { z } from 'zod';
import { throwAwayBody } from '../../../bounds/bounds.ts';
import type { Sink } from '../../../storage/sink.ts';
import type { ToldFigures } from '../../../telemetry/figures.ts';
import { timestamp } from '../../../telemetry/telemetry.ts';
import { type Ground, judge, judgeWithoutLease, type Refused } from '../../admission/admit.ts';
import { describe, explain } from '../../admission/explain.ts';
import { tryOut } from '../../admission/trial.ts';
import type { Connections } from '../../connections/connections.ts';
import { operations } from '../../policy/policy.ts';
import type { Verdicts } from '../../recording/verdicts.ts';
import type { OnRecord } from '../on-record.ts';
import { toldOf } from '../told.ts';
import { failureProblem, refuseMethod, send, sendJson, sendProblem } from './answers.ts';
import type { Asked } from './listener.ts';
import { missingReadings } from './missing-readings.ts';
import { refusedReadings } from './refused-readings.ts';
import { serveReadings } from './stored-readings.ts';
import type { Target } from './target.ts';
import type { Exchange, Outgoing } from './transport.ts';
import { WatchExchange } from './watch-exchange.ts';

export interface OperatorParts {
  gate: SubjectId;
  ground: Ground;
  connections: Connections;
  sink: Sink;
  onRecord: OnRecord;
  verdicts: Verdicts;
  metrics: ToldFigures;
  heads(): Promise<Pick<GateHeads, 'items' | 'holds'>>;
  status(): Promise<GateStatus>;
  now(): number;
}

const VerdictQuery = z.strictObject({
  subject: z.string().max(64).optional(),
  after: z.string().regex(/^\d+$/).max(16).optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
  follow: oneOf(['1']).optional(),
});
const ExplainQuery = z.strictObject({
  subject: z.string().max(64).optional(),
  certificate: Fingerprint.optional(),
  stream: z.string().max(64).optional(),
});

/** Of what takes none: what nobody reads is refused, not ignored. */
const NoQuery = z.strictObject({});

type Handler = (parts: OperatorParts, query: Record<string, string>, asked: Asked) => void | Promise<void>;

/** What the gate's listener serves to kind `operator`. */
const routes: Record<string, Handler> = {
  '/v1/explain': ({ ground, gate, now }, query, { response }) =>
    sendJson(response, { items: explain(ExplainQuery.parse(query), ground, gate, now()) }),
  '/v1/verdicts': serveVerdicts,
  '/v1/readings': serveReadings,
  '/v1/readings/refused': async (parts, query, { response }) => sendJson(response, await refusedReadings(parts, query)),
  '/v1/readings/missing': async (parts, query, { response }) => sendJson(response, await missingReadings(parts, query)),
  '/v1/status': async ({ status }, query, { response }) => {
    NoQuery.parse(query);
    sendJson(response, await status());
  },
  '/v1/heads': async ({ gate, heads }, query, { response }) => {
    NoQuery.parse(query);
    sendJson(response, { gate, ...(await heads()) });
  },
  '/v1/cut': ({ gate, ground }, query, { response }) => {
    const { items, next } = ground.replica.cutFrom(GateCutQuery.parse(query).from);
    const told = items.map(({ kind: _, notBefore: __, notAfter: ___, ...item }) => item);
    sendJson(response, { gate, revision: ground.replica.revision, items: told, next });
  },
  '/v1/trials': ({ gate, ground, connections }, query, { response }) => {
    const { subjects, trial } = TrialQuery.parse(query);
    const { revision } = ground.replica;
    sendJson(response, { gate, revision, connections: tryOut(subjects, trial, { ground, connections }) });
  },
  '/v1/sightings': ({ gate, verdicts }, query, { response }) =>
    sendJson(response, sightingsOf(gate, verdicts, SightingsQuery.parse(query).subjects)),
  '/v1/metrics': async ({ metrics }, query, { response }) => {
    NoQuery.parse(query);
    send(response, 200, metrics.contentType, await metrics.text(), false);
  },
};

/** What proves something of the authority is told also when that one is away or not believed. */
const withoutLease = new Set(['/v1/heads', '/v1/cut']);
const reads = new Set(['GET', 'HEAD']);
export const operatorPaths = Object.keys(routes);
const inward = ['POST /v1/streams/{stream}/readings', 'POST /v1/streams/{stream}/sealed'];

/** Of those that were asked for: whoever is missing was not heard since `since`. */
function sightingsOf(gate: SubjectId, { sightings }: Verdicts, subjects: string[]): SightingsView {
  const items = subjects.flatMap((subject) => {
    const seen = sightings.of(subject);
    return seen ? [{ subject: subject as SubjectId, at: timestamp(seen.at), verdict: seen.verdict }] : [];
  });
  return { gate, since: timestamp(sightings.since), items };
}

async function serveVerdicts(parts: OperatorParts, query: Record<string, string>, asked: Asked) {
  const { follow, ...wanted } = VerdictQuery.parse(query);
  // Nobody can watch without a body.
  if (follow === undefined || asked.request.method === 'HEAD')
    return sendJson(asked.response, await parts.sink.refusals(wanted));
  new WatchExchange(asked, parts, wanted.subject).start();
}

/** A short answer to an operator; when the connection is cut first, nothing more is said. */
class OperatorExchange implements Exchange {
  readonly #response: Outgoing;

  constructor(response: Outgoing) {
    this.#response = response;
  }

  cut(): void {
    this.#response.destroy();
  }

  gone(): void {
    this.#response.destroy();
  }
}

/** Judged like a device, on a stream that operators alone may use; so is every request, however long the connection lasts. */
export function serveOperator(parts: OperatorParts, asked: Asked, target: Target | undefined): void {
  const { request, response, transport, connection } = asked;
  throwAwayBody(request);
  const handler = target && Object.hasOwn(routes, target.path) ? routes[target.path] : undefined;
  if (!target || !handler) {
    const known = [...inward, ...operatorPaths.map((path) => `GET ${path}`)];
    return sendProblem(response, failureProblem('route_unknown', `the gate serves [${known.join(', ')}]`), false);
  }
  if (!reads.has(request.method ?? '')) return refuseMethod(request, response, [...reads].join(', '));
  const judged = withoutLease.has(target.path) ? judgeWithoutLease : judge;
  const refused = judged({ bearer: connection, stream: operations, data: [] }, parts.ground);
  if (refused) return refuse(parts, asked, refused);
  const exchange = new OperatorExchange(response);
  transport.begin(exchange);
  void answer(handler, parts, Object.fromEntries(new URLSearchParams(target.query)), asked).finally(() =>
    transport.finish(exchange),
  );
}

function refuse({ ground, verdicts }: OperatorParts, { connection, response }: Asked, refused: Refused): void {
  const { replica } = ground;
  const describeRefusal = () => describe(refused, connection, operations.name, replica);
  verdicts.refused(refused.reason, connection.name, operations.name, 1, describeRefusal);
  sendProblem(response, toldOf(refused, connection, replica), true);
}

async function answer(handler: Handler, parts: OperatorParts, query: Record<string, string>, asked: Asked) {
  const { response } = asked;
  try {
    await handler(parts, query, asked);
  } catch (error) {
    if (response.headersSent) response.destroy();
    else if (error instanceof z.ZodError) {
      sendProblem(response, failureProblem('request_malformed', complaintOf(error)), false);
    } else if (error instanceof PortcullisError) {
      sendProblem(response, failureProblem(error.code, error.message), false);
    } else sendProblem(response, failureProblem('internal'), false);
  }
}

/** As the authority's API names what is wrong. */
function complaintOf({ issues: [first] }: z.ZodError): string {
  return `${['querystring', ...(first?.path ?? [])].join('.')}: ${first?.message}`;
}
