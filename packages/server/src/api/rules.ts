import {
  AcknowledgeRequest,
  BreachesQuery,
  BreachView,
  ChangeAnswer,
  ExcursionsView,
  page,
  RuleView,
  SubjectId,
  WaitQuery,
} from '@portcullis/contract';
import { z } from 'zod';
import { answerChange } from './changes.ts';
import { type Route, route } from './route.ts';

export const rulesRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/rules',
    kinds: ['operator'],
    summary: 'Rules on readings, as they are in force',
    uses: ['rules'],
    schemas: {},
    answer: page(RuleView),
    handle: async ({ rules }) => ({ items: rules.list(), next: null }),
  }),
  route({
    method: 'GET',
    path: '/v1/subjects/:id/excursions',
    kinds: ['operator'],
    summary: 'When readings about a subject were out of bounds, what is not known and why, and what a person decided',
    uses: ['rules'],
    schemas: { params: z.strictObject({ id: SubjectId }) },
    answer: ExcursionsView,
    handle: ({ rules }, { params: { id } }) => rules.excursions(id),
  }),
  route({
    method: 'GET',
    path: '/v1/breaches',
    kinds: ['operator'],
    summary: 'Breaches that nobody has acknowledged, or all',
    uses: ['rules'],
    schemas: { query: BreachesQuery },
    answer: page(BreachView),
    handle: ({ rules }, { query }) => rules.breaches(query),
  }),
  route({
    method: 'POST',
    path: '/v1/breaches/acknowledge',
    kinds: ['operator'],
    summary: 'A person decides: breaches are acknowledged, and what is not known is taken as it is',
    uses: ['rules', 'feed'],
    schemas: { query: WaitQuery, body: AcknowledgeRequest },
    answer: ChangeAnswer,
    once: true,
    handle: async ({ rules, feed }, { query, body, by }) =>
      answerChange(feed, await rules.acknowledge(by, body), query),
  }),
];
