import {
  ArrivalAnswer,
  ArrivalRequest,
  ChangeAnswer,
  CourseRequest,
  DeclarationRequest,
  ExpectedNext,
  JourneyView,
  PortcullisError,
  page,
  ShipmentCreated,
  ShipmentItem,
  ShipmentRequest,
  ShipmentsQuery,
  ShipmentView,
  SubjectId,
  VoidRequest,
  WaitQuery,
} from '@portcullis/contract';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import type { Buckets } from '../bounds/bounds.ts';
import type { Recorded } from '../journeys/journeys.ts';
import { answerChange } from './changes.ts';
import { type Route, route } from './route.ts';

const params = z.strictObject({ id: SubjectId });
/** Of the ids of a hundred readings, and two texts of any language. */
const arrivalBytesMax = 64 * 1024;

interface Recording {
  checkpoint: string;
  refusedArrivals: Buckets;
  reply: FastifyReply;
}

/** What was refused is kept, and told as a problem: with what is expected, and what was found. */
export async function answerArrival(
  record: () => Promise<Recorded>,
  { checkpoint, refusedArrivals, reply }: Recording,
): Promise<ArrivalAnswer> {
  if (!refusedArrivals.has(checkpoint)) {
    const words = `too many arrivals of "${checkpoint}" were refused of late; nothing more of it is looked at for a moment`;
    throw new PortcullisError('rate_limited', words);
  }
  const recorded = await record();
  if (recorded.outcome === 'refused') {
    refusedArrivals.take(checkpoint);
    const { reason, why, ...detail } = recorded.refusal;
    throw new PortcullisError(reason, why, { detail });
  }
  // RFC 9110 §15.3.2 and §15.3.3: it is there, or it is kept and something is still to come.
  reply.code(recorded.outcome === 'recorded' ? 201 : 202);
  return recorded;
}

export const shipmentsRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/journeys',
    kinds: ['operator'],
    summary: 'Journeys by their newest versions',
    uses: ['journeys'],
    schemas: {},
    answer: page(JourneyView),
    handle: async ({ journeys }) => ({ items: await journeys.list(), next: null }),
  }),
  route({
    method: 'GET',
    path: '/v1/shipments',
    kinds: ['operator'],
    summary: 'Shipments and where each stands',
    uses: ['journeys'],
    schemas: { query: ShipmentsQuery },
    answer: page(ShipmentItem),
    handle: ({ journeys }, { query }) => journeys.shipments(query),
  }),
  route({
    method: 'POST',
    path: '/v1/shipments',
    kinds: ['operator'],
    summary: 'Puts a shipment on a journey',
    uses: ['journeys'],
    schemas: { body: ShipmentRequest },
    answer: ShipmentCreated,
    handle: ({ journeys }, { body, by }) => journeys.create(by, body),
  }),
  route({
    method: 'GET',
    path: '/v1/shipments/:id',
    kinds: ['operator'],
    summary: 'One shipment, with what was recorded, tried and corrected',
    uses: ['journeys'],
    schemas: { params },
    answer: ShipmentView,
    handle: ({ journeys }, { params: { id } }) => journeys.read(id),
  }),
  route({
    method: 'GET',
    path: '/v1/shipments/:id/next',
    kinds: ['checkpoint'],
    summary: 'What is expected next, and whether this checkpoint may record it',
    uses: ['journeys'],
    schemas: { params },
    answer: ExpectedNext,
    handle: ({ journeys }, { params: { id }, peer }) => journeys.expected(id, peer.subject),
  }),
  route({
    method: 'POST',
    path: '/v1/shipments/:id/arrivals',
    kinds: ['checkpoint'],
    summary: 'Records an arrival: 201, 202 while it waits for another, 409 where it is not allowed; kept in any case',
    uses: ['journeys', 'refusedArrivals'],
    schemas: { params, body: ArrivalRequest },
    answer: ArrivalAnswer,
    bodyBytesMax: arrivalBytesMax,
    handle({ journeys, refusedArrivals }, { params: { id }, body, by, peer, reply }) {
      const record = () => journeys.record(by, { ...body, shipment: id });
      return answerArrival(record, { checkpoint: peer.subject, refusedArrivals, reply });
    },
  }),
  route({
    method: 'POST',
    path: '/v1/shipments/:id/voidings',
    kinds: ['operator'],
    summary: 'Takes an arrival back: it stays on record, and counts no more',
    uses: ['journeys', 'feed'],
    schemas: { params, query: WaitQuery, body: VoidRequest },
    answer: ChangeAnswer,
    once: true,
    async handle({ journeys, feed }, { params: { id }, query, body, by }) {
      const { revision } = await journeys.takeBack(by, id, body);
      return answerChange(feed, { revision, changed: 1 }, query);
    },
  }),
  route({
    method: 'POST',
    path: '/v1/shipments/:id/declarations',
    kinds: ['operator'],
    summary: 'Declares that a step was taken, in the place of its checkpoint',
    uses: ['journeys'],
    schemas: { params, body: DeclarationRequest },
    answer: ArrivalAnswer,
    once: true,
    handle: ({ journeys }, { params: { id }, body, by }) => journeys.declare(by, id, body),
  }),
  route({
    method: 'POST',
    path: '/v1/shipments/:id/course',
    kinds: ['operator'],
    summary: 'Stops a shipment, lets it go on, or puts it on the newest version of a journey',
    uses: ['journeys', 'feed'],
    schemas: { params, query: WaitQuery, body: CourseRequest },
    answer: ChangeAnswer,
    once: true,
    async handle({ journeys, feed }, { params: { id }, query, body, by }) {
      return answerChange(feed, await journeys.steer(by, id, body), query);
    },
  }),
];
