import {
  ApplyRequest,
  ChangeAnswer,
  HoldsQuery,
  HoldView,
  page,
  ReleaseRequest,
  SignalTrial,
  SignalTrialRequest,
  SourceName,
  SourceView,
  WaitQuery,
} from '@portcullis/contract';
import { z } from 'zod';
import { answerChange, changeBytesMax } from './changes.ts';
import { type Route, route } from './route.ts';

export const holdsRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/holds',
    kinds: ['operator'],
    summary: 'What signals hold, of a subject, of a source or at all: in the order in which it began',
    uses: ['signals'],
    schemas: { query: HoldsQuery },
    answer: page(HoldView),
    handle: ({ signals }, { query }) => signals.list(query),
  }),
  route({
    method: 'POST',
    path: '/v1/holds/release',
    kinds: ['operator'],
    summary: 'Ends holds: one, or those of a subject; what is underneath is in force again',
    uses: ['signals', 'feed'],
    schemas: { query: WaitQuery, body: ReleaseRequest },
    answer: ChangeAnswer,
    once: true,
    handle: async ({ signals, feed }, { query, body, by }) =>
      answerChange(feed, await signals.release({ ...by, reason: body.reason }, body), query),
  }),
  route({
    method: 'POST',
    path: '/v1/holds/apply',
    kinds: ['operator'],
    summary: 'Brings holds into force that wait, for their source is over its limit',
    uses: ['signals', 'feed'],
    schemas: { query: WaitQuery, body: ApplyRequest },
    answer: ChangeAnswer,
    once: true,
    handle: async ({ signals, feed }, { query, body, by }) =>
      answerChange(feed, await signals.apply({ ...by, reason: body.reason }, body), query),
  }),
  route({
    method: 'GET',
    path: '/v1/signals',
    kinds: ['operator'],
    summary: 'The sources of signals, and what came from each since the authority started',
    uses: ['signals'],
    schemas: {},
    answer: page(SourceView),
    handle: async ({ signals }) => ({ items: await signals.sources(), next: null }),
  }),
  route({
    method: 'POST',
    path: '/v1/signals/:source/trial',
    kinds: ['operator'],
    summary: 'What would follow from a delivery; changes nothing',
    uses: ['signals'],
    schemas: { params: z.strictObject({ source: SourceName }), body: SignalTrialRequest },
    answer: SignalTrial,
    bodyBytesMax: 2 * changeBytesMax,
    handle: ({ signals }, { params: { source }, body: { body, headers = {} } }) =>
      signals.trial(source, { headers, raw: Buffer.from(body) }),
  }),
];
