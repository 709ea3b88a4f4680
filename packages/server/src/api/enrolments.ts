import {
  ConfirmationRequest,
  Confirmed,
  EnrolmentRequest,
  GateList,
  GatesRequest,
  IssuedCredential,
  RenewalNonce,
  RenewalRequest,
  SignedAnswer,
} from '@portcullis/contract';
import { z } from 'zod';
import { type Route, route } from './route.ts';

const bodyBytesMax = 64 * 1024;

/** What a subject without a usable client certificate may ask; the request itself carries the proof. */
export const enrolmentRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/enrolments',
    kinds: [],
    summary: 'A certificate for a token and a request',
    uses: ['enrolment'],
    schemas: { body: EnrolmentRequest },
    answer: z.union([SignedAnswer, IssuedCredential]),
    bodyBytesMax,
    handle: ({ enrolment }, { body, request }) => enrolment.enrol(request.ip, body),
  }),
  route({
    method: 'POST',
    path: '/v1/renewals/nonce',
    kinds: [],
    summary: 'A nonce for what is signed here, good for a minute',
    uses: ['enrolment'],
    schemas: { body: z.strictObject({}) },
    answer: RenewalNonce,
    bodyBytesMax,
    handle: async ({ enrolment }) => ({ nonce: enrolment.nonce() }),
  }),
  route({
    method: 'POST',
    path: '/v1/renewals',
    kinds: [],
    summary: 'A new certificate for a new key, signed for by the old one',
    uses: ['enrolment'],
    schemas: { body: RenewalRequest },
    answer: z.union([SignedAnswer, IssuedCredential]),
    bodyBytesMax,
    handle: ({ enrolment }, { body, request }) => enrolment.renew(request.ip, body),
  }),
  route({
    method: 'POST',
    path: '/v1/renewals/confirmation',
    kinds: [],
    summary: 'The first use of a renewed certificate: supersedes the one before it',
    uses: ['enrolment'],
    schemas: { body: ConfirmationRequest },
    answer: z.union([SignedAnswer, Confirmed]),
    bodyBytesMax,
    handle: ({ enrolment }, { body, request }) => enrolment.confirm(request.ip, body),
  }),
  route({
    method: 'POST',
    path: '/v1/renewals/gates',
    kinds: [],
    summary: 'Where gates are now, for the holder of a valid certificate that reaches none it knows',
    uses: ['enrolment'],
    schemas: { body: GatesRequest },
    answer: z.union([SignedAnswer, GateList]),
    bodyBytesMax,
    handle: ({ enrolment }, { body, request }) => enrolment.gates(request.ip, body),
  }),
];
