import {
  AttributeName,
  AttributesRequest,
  AttributeTypeView,
  ChangeAnswer,
  page,
  RetypeRequest,
  WaitQuery,
} from '@portcullis/contract';
import { z } from 'zod';
import { answerChange, changeBytesMax } from './changes.ts';
import { type Route, route } from './route.ts';

const params = z.strictObject({ name: AttributeName });

export const attributesRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/attributes',
    kinds: ['operator'],
    summary: 'Sets and unsets attributes: one revision, however many subjects it names',
    uses: ['attributes', 'feed'],
    schemas: { query: WaitQuery, body: AttributesRequest },
    answer: ChangeAnswer,
    bodyBytesMax: changeBytesMax,
    async handle({ attributes, feed }, { query, body, by }) {
      const done = await attributes.change({ ...by, reason: body.reason }, body);
      return answerChange(feed, done, query, body);
    },
  }),
  route({
    method: 'GET',
    path: '/v1/attribute-types',
    kinds: ['operator'],
    summary: 'What type the values of each name have, and how many subjects have one',
    uses: ['attributes'],
    schemas: {},
    answer: page(AttributeTypeView),
    handle: async ({ attributes }) => ({ items: await attributes.types(), next: null }),
  }),
  route({
    method: 'GET',
    path: '/v1/attribute-types/:name',
    kinds: ['operator'],
    summary: 'What type the values of a name have',
    uses: ['attributes'],
    schemas: { params },
    answer: AttributeTypeView,
    handle: ({ attributes }, { params: { name } }) => attributes.type(name),
  }),
  route({
    method: 'POST',
    path: '/v1/attribute-types/:name',
    kinds: ['operator'],
    summary: 'Gives a name another type, where no value stands in the way: no revision',
    uses: ['attributes'],
    schemas: { params, body: RetypeRequest },
    answer: z.object({ changed: z.union([z.literal(0), z.literal(1)]) }),
    handle: ({ attributes }, { params: { name }, body: { type, reason }, by }) =>
      attributes.retype({ ...by, reason }, { name, type }),
  }),
];
