import {
  DeskConfirmationRequest,
  DeskEnrolmentRequest,
  DeskFeedQuery,
  DeskGatesRequest,
  DeskNonceRequest,
  DeskRenewalRequest,
  DeskReportAnswer,
  DeskReportRequest,
  DeskTimeRequest,
  DeskView,
  RenewalNonce,
  relayed,
  SignedAnswer,
} from '@portcullis/contract';
import { z } from 'zod';
import { type Route, route } from './route.ts';
import { streamed } from './streamed.ts';

const bodyBytesMax = 72 * 1024;
const desk = { method: 'POST', kinds: ['desk'], bodyBytesMax } as const;

/** What strangers ask at a desk. That it came through one is all that is known: the address is a claim that only a desk may make. */
export const desksRoutes: readonly Route[] = [
  route({
    ...desk,
    path: '/v1/desk/enrolments',
    summary: 'An enrolment that a desk relays',
    uses: ['enrolment'],
    schemas: { body: relayed(DeskEnrolmentRequest) },
    answer: SignedAnswer,
    handle: ({ enrolment }, { body }) => enrolment.enrol(body.from, body.asked),
  }),
  route({
    ...desk,
    path: '/v1/desk/renewals/nonce',
    summary: 'A nonce for somebody at a desk',
    uses: ['enrolment'],
    schemas: { body: relayed(DeskNonceRequest) },
    answer: RenewalNonce,
    handle: async ({ enrolment }) => ({ nonce: enrolment.nonce() }),
  }),
  route({
    ...desk,
    path: '/v1/desk/renewals',
    summary: 'A renewal that a desk relays',
    uses: ['enrolment'],
    schemas: { body: relayed(DeskRenewalRequest) },
    answer: SignedAnswer,
    handle: ({ enrolment }, { body }) => enrolment.renew(body.from, body.asked),
  }),
  route({
    ...desk,
    path: '/v1/desk/renewals/confirmation',
    summary: 'A confirmation that a desk relays',
    uses: ['enrolment'],
    schemas: { body: relayed(DeskConfirmationRequest) },
    answer: SignedAnswer,
    handle: ({ enrolment }, { body }) => enrolment.confirm(body.from, body.asked),
  }),
  route({
    ...desk,
    path: '/v1/desk/renewals/gates',
    summary: 'A question for gates that a desk relays',
    uses: ['enrolment'],
    schemas: { body: relayed(DeskGatesRequest) },
    answer: SignedAnswer,
    handle: ({ enrolment }, { body }) => enrolment.gates(body.from, body.asked),
  }),
  route({
    ...desk,
    path: '/v1/desk/time',
    summary: 'A question for the time that a desk relays',
    uses: ['enrolment'],
    schemas: { body: relayed(DeskTimeRequest) },
    answer: SignedAnswer,
    handle: ({ enrolment }, { body }) => enrolment.time(body.asked),
  }),
  route({
    method: 'GET',
    path: '/v1/desk/feed',
    kinds: ['desk'],
    summary: 'What is public: all of it, then what changes, live (NDJSON)',
    uses: ['feed', 'journal', 'log', 'revocation', 'system'],
    schemas: { query: DeskFeedQuery },
    handle: (rooms, call) => streamed(rooms, call, (write, signal) => rooms.feed.tellPublic(call.query, write, signal)),
  }),
  route({
    method: 'GET',
    path: '/v1/desk/standings',
    kinds: ['desk'],
    summary: 'How each certificate stands: all of them, then what changes, live (NDJSON)',
    uses: ['feed', 'journal', 'log', 'revocation', 'system'],
    schemas: { query: DeskFeedQuery },
    handle: (rooms, call) =>
      streamed(rooms, call, (write, signal) => rooms.feed.tellStandings(call.query, write, signal)),
  }),
  route({
    ...desk,
    path: '/v1/desk/report',
    summary: 'How a desk stands, each few seconds',
    uses: ['desks', 'issuance', 'rollovers'],
    schemas: { body: DeskReportRequest },
    answer: DeskReportAnswer,
    async handle({ desks, issuance, rollovers }, { body, peer }) {
      const { bundle, ...report } = body;
      desks.heard(peer.subject, report);
      rollovers.heard(peer.subject, bundle);
      return { done: true, bundle: issuance.bundle.version };
    },
  }),
  route({
    method: 'GET',
    path: '/v1/desks',
    kinds: ['operator'],
    summary: 'Desks, and what each last said of itself',
    uses: ['desks'],
    schemas: {},
    answer: z.object({ items: z.array(DeskView) }),
    handle: async ({ desks }) => ({ items: await desks.list() }),
  }),
];
