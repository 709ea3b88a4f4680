import { CodeRotation, LabelView, ReasonText, SubjectId } from '@portcullis/contract';
import { z } from 'zod';
import { type Route, route } from './route.ts';

export const codesRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/shipments/:id/code',
    kinds: ['operator'],
    summary: 'Another public code for a shipment; the one before leads nowhere any more',
    uses: ['codes'],
    schemas: {
      params: z.strictObject({ id: SubjectId }),
      body: z.strictObject({ reason: ReasonText.optional() }),
    },
    answer: CodeRotation,
    async handle({ codes }, { params: { id }, body, by }) {
      return { subject: id, code: await codes.rotate({ ...by, ...body }, id) };
    },
  }),
  route({
    method: 'GET',
    path: '/v1/shipments/:id/label',
    kinds: ['operator'],
    summary: 'What the label certificate of a shipment signed, before its key was gone',
    uses: ['labels'],
    schemas: { params: z.strictObject({ id: SubjectId }) },
    answer: LabelView,
    async handle({ labels }, { params: { id } }) {
      return { shipment: id, statement: (await labels.statementOf(id)) ?? null };
    },
  }),
];
