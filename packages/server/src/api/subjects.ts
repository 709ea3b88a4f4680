import {
  AttributeHistoryView,
  ChangeAnswer,
  PageQuery,
  page,
  RetireRequest,
  SubjectId,
  SubjectsQuery,
  SubjectView,
  WaitQuery,
} from '@portcullis/contract';
import { z } from 'zod';
import { answerChange } from './changes.ts';
import { onCondition } from './on-condition.ts';
import { type Route, route } from './route.ts';

const params = z.strictObject({ id: SubjectId });

export const subjectsRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/subjects',
    kinds: ['operator'],
    summary: 'Subjects with their attributes and until when each has a certificate',
    uses: ['attributes'],
    schemas: { query: SubjectsQuery },
    answer: page(SubjectView),
    handle: ({ attributes }, { query }) => attributes.list(query),
  }),
  route({
    method: 'GET',
    path: '/v1/subjects/:id',
    kinds: ['operator'],
    summary: 'One subject',
    uses: ['attributes', 'signals'],
    schemas: { params },
    answer: SubjectView,
    async handle({ attributes, signals }, { params: { id } }) {
      const [subject, heldBy] = [await attributes.read(id), await signals.heldBy([id])];
      return { ...subject, ...(heldBy.length > 0 && { heldBy }) };
    },
  }),
  route({
    method: 'GET',
    path: '/v1/subjects/:id/history',
    kinds: ['operator'],
    summary: 'Every change of a subject’s attributes, oldest first',
    uses: ['attributes'],
    schemas: { params, query: PageQuery.extend({ name: z.string().max(64).optional() }) },
    answer: page(AttributeHistoryView),
    handle: ({ attributes }, { params: { id }, query: { name, ...query } }) =>
      attributes.history(id, { ...query, ...(name && { name }) }),
  }),
  route({
    method: 'POST',
    path: '/v1/subjects/:id/retire',
    kinds: ['operator'],
    summary: 'Revokes everything a subject has, for ever',
    uses: ['revocation', 'attributes', 'feed'],
    schemas: { params, query: WaitQuery, body: RetireRequest },
    answer: ChangeAnswer,
    once: true,
    async handle({ revocation, attributes, feed }, { params: { id }, query, body, by }) {
      const done = await revocation.retire(onCondition(by, { ...body, subject: id }, { attributes }), id);
      return answerChange(feed, done, query);
    },
  }),
];
