import { Receipt, SignalAnswer, SourceName, WaitQuery } from '@portcullis/contract';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { noRoom, type SignalHeaders } from '../signals/signals.ts';
import { type Call, type Rooms, type Route, route } from './route.ts';

const path = '/v1/signals/:source';
const schemas = { params: z.strictObject({ source: SourceName }), query: WaitQuery };
const answer = SignalAnswer.extend({ receipt: Receipt.optional() });
const summary =
  'Takes what a source of signals says, in the source’s own format; answered once what follows is on disk';

/** Of a source that comes with a certificate. */
export const signalRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path,
    kinds: ['monitor'],
    summary,
    uses: ['feed', 'intake'],
    schemas,
    answer,
    raw({ intake }, request, peer) {
      const { bodyBytesMax: bytesMax } = intake.sources.requireCertificate(nameIn(request), peer?.subject ?? '');
      return { bytesMax, shared: { budget: intake.proven, noRoom } };
    },
    refused: ({ intake }, request, error) => intake.refused(nameIn(request), error),
    async handle({ feed, intake }, { params: { source: name }, query, body, peer, by, request }) {
      const source = intake.sources.requireCertificate(name, peer.subject);
      return answered(
        { feed },
        query,
        await intake.take(source, { headers: headersOf(request), raw: bytesOf(body) }, by),
      );
    },
  }),
];

/** Of a source that comes without one, on a listener of its own. */
export const sourceRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path,
    kinds: [],
    summary,
    uses: ['feed', 'intake'],
    schemas,
    answer,
    raw({ intake }, request) {
      const source = intake.sources.requireAdmitted(nameIn(request), addressOf(request), headersOf(request));
      return { bytesMax: source.bodyBytesMax, shared: { budget: intake.others, noRoom } };
    },
    refused: ({ intake }, request, error) => intake.refused(nameIn(request), error),
    async handle({ feed, intake }, { params: { source: name }, query, body, request }) {
      const headers = headersOf(request);
      const raw = bytesOf(body);
      // Once more: how long its body takes is the sender's choice.
      const source = intake.sources.requireAdmitted(name, addressOf(request), headers);
      intake.sources.requireSigned(source, headers, raw);
      return answered({ feed }, query, await intake.take(source, { headers, raw }));
    },
  }),
];

async function answered(
  { feed }: Pick<Rooms, 'feed'>,
  { wait, waitLimitMs: limitMs }: z.infer<typeof WaitQuery>,
  told: SignalAnswer,
): Promise<z.infer<typeof answer>> {
  if (wait !== 'all' || told.revision === null) return told;
  return { ...told, receipt: await feed.receipt(told.revision, { limitMs }) };
}

const nameIn = ({ params }: FastifyRequest) => String((params as Call<typeof schemas>['params']).source);
const addressOf = ({ raw }: FastifyRequest) => raw.socket.remoteAddress ?? '';
const nothing = Buffer.alloc(0);
/** A request without a body reaches no parser. */
const bytesOf = (body: unknown) => (Buffer.isBuffer(body) ? body : nothing);

/** One that came twice stays two: of a signature, or of an attribute of an event, neither is the right one. */
function headersOf({ raw }: FastifyRequest): SignalHeaders {
  const named = Object.entries(raw.headersDistinct);
  return Object.fromEntries(named.map(([name, values]) => [name, values?.length === 1 ? values[0] : values]));
}
