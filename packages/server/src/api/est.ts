import {
  ApprovalRequest,
  ChangeAnswer,
  EstAnswer,
  EstBodies,
  EstRequest,
  FactoryName,
  FactoryRequest,
  FactoryView,
  PageQuery,
  PendingView,
  page,
  ReasonText,
  relayed,
  WaitQuery,
} from '@portcullis/contract';
import { z } from 'zod';
import { answerChange } from './changes.ts';
import { onCondition } from './on-condition.ts';
import { type Route, route } from './route.ts';

const bodyBytesMax = 256 * 1024;

/** Enrolment by EST as a desk relays it, who may enrol by it without a token, and what waits for an operator. */
export const estRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/desk/est',
    kinds: ['desk'],
    summary: 'A request by EST that a desk relays',
    uses: ['enrolment'],
    schemas: { body: relayed(EstRequest) },
    answer: EstAnswer,
    bodyBytesMax,
    handle: ({ enrolment }, { body }) => enrolment.est.ask(body.from, body.asked),
  }),
  route({
    method: 'GET',
    path: '/v1/desk/est',
    kinds: ['desk'],
    summary: 'What a desk answers anybody by EST: certificates to trust, and what a request is to be like',
    uses: ['enrolment'],
    schemas: {},
    answer: EstBodies,
    handle: async ({ enrolment }) => enrolment.est.bodies(),
  }),
  route({
    method: 'POST',
    path: '/v1/factories',
    kinds: ['operator'],
    summary: 'Takes certificates of a manufacturer as proof of who asks for a first certificate',
    uses: ['enrolment'],
    schemas: { body: FactoryRequest },
    answer: FactoryView,
    bodyBytesMax,
    handle: ({ enrolment }, { body, by }) => enrolment.est.addFactory(by, body),
  }),
  route({
    method: 'GET',
    path: '/v1/factories',
    kinds: ['operator'],
    summary: 'Factories whose certificates may enrol',
    uses: ['enrolment'],
    schemas: {},
    answer: z.object({ items: z.array(FactoryView) }),
    handle: async ({ enrolment }) => ({ items: await enrolment.est.listFactories() }),
  }),
  route({
    method: 'POST',
    path: '/v1/factories/:name/removal',
    kinds: ['operator'],
    summary: 'Takes no more certificates of a factory; what it brought stays',
    uses: ['enrolment'],
    schemas: {
      params: z.strictObject({ name: FactoryName }),
      body: z.strictObject({ reason: ReasonText.optional() }),
    },
    answer: z.object({ removed: z.literal(true) }),
    async handle({ enrolment }, { params: { name }, body, by }) {
      await enrolment.est.removeFactory({ ...by, ...body }, name);
      return { removed: true };
    },
  }),
  route({
    method: 'GET',
    path: '/v1/pending',
    kinds: ['operator'],
    summary: 'What waits to be approved',
    uses: ['enrolment'],
    schemas: { query: PageQuery },
    answer: page(PendingView),
    handle: ({ enrolment }, { query }) => enrolment.est.listPending(query),
  }),
  route({
    method: 'POST',
    path: '/v1/approvals',
    kinds: ['operator'],
    summary: 'Approves what factories brought of these subjects, and by its key a renewal: one revision',
    uses: ['enrolment', 'attributes', 'feed'],
    schemas: { query: WaitQuery, body: ApprovalRequest },
    answer: ChangeAnswer,
    once: true,
    async handle({ enrolment, attributes, feed }, { query, body, by }) {
      const done = await enrolment.est.approve(onCondition(by, body, { attributes }), body);
      return answerChange(feed, done, query, body);
    },
  }),
];
