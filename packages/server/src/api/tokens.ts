import { page, ReasonText, TokenCreated, TokensQuery, TokensRequest, TokenView } from '@portcullis/contract';
import { z } from 'zod';
import { type Route, route } from './route.ts';

export const tokensRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/tokens',
    kinds: ['operator'],
    summary: 'Makes enrolment tokens, and the subjects that are new',
    uses: ['enrolment'],
    schemas: { body: TokensRequest },
    answer: z.object({ revision: z.int(), tokens: z.array(TokenCreated) }),
    bodyBytesMax: 16 * 1024 * 1024,
    handle: ({ enrolment }, { body, by }) => enrolment.createTokens(by, body),
  }),
  route({
    method: 'GET',
    path: '/v1/tokens',
    kinds: ['operator'],
    summary: 'Tokens and what became of them; their secrets are not kept',
    uses: ['enrolment'],
    schemas: { query: TokensQuery },
    answer: page(TokenView),
    handle: ({ enrolment }, { query }) => enrolment.listTokens(query),
  }),
  route({
    method: 'POST',
    path: '/v1/tokens/:id/revocation',
    kinds: ['operator'],
    summary: 'Voids a token',
    uses: ['enrolment'],
    schemas: {
      params: z.strictObject({ id: z.string().max(64) }),
      body: z.strictObject({ reason: ReasonText.optional() }),
    },
    answer: z.object({ voided: z.literal(true), changed: z.int().nonnegative() }),
    async handle({ enrolment }, { params: { id }, body, by }) {
      const changed = await enrolment.revokeToken({ ...by, ...body }, id);
      return { voided: true, changed };
    },
  }),
];
