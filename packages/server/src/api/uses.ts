import { UsesAnswer, UsesReport } from '@portcullis/contract';
import { type Route, route } from './route.ts';

export const usesRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/renewals/uses',
    kinds: ['gate'],
    summary: 'Renewed certificates by which a gate admitted readings: confirms those that came by EST',
    uses: ['enrolment'],
    schemas: { body: UsesReport },
    answer: UsesAnswer,
    bodyBytesMax: 16 * 1024,
    handle: async ({ enrolment }, { body, by }) => ({ confirmed: await enrolment.used(by, body) }),
  }),
];
