import { AttributesRequest, ChangeAnswer, WaitQuery } from '@portcullis/contract';
import { answerChange } from './changes.ts';
import { type Route, route } from './route.ts';

/** A change may name a hundred thousand subjects. */
const bodyBytesMax = 16 * 1024 * 1024;

export const attributesRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/attributes',
    kinds: ['operator'],
    summary: 'Sets and unsets attributes: one revision, however many subjects it names',
    schemas: { query: WaitQuery, body: AttributesRequest },
    answer: ChangeAnswer,
    bodyBytesMax,
    async handle(rooms, { query, body, by }) {
      const done = await rooms.attributes.change({ ...by, reason: body.reason }, body);
      return answerChange(rooms, done, query);
    },
  }),
];
