import { AuthorityApprovalRequest, AuthorityView, ReasonText, SubjectId } from '@portcullis/contract';
import { z } from 'zod';
import { type Route, route } from './route.ts';

/** Which machines may lead beside the first one. No key passes here: those travel sealed, in a file. */
export const authoritiesRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/authorities',
    kinds: ['operator'],
    summary: 'Lets a machine lead beside the first one, by the fingerprint of what it asked with',
    uses: ['authorities'],
    schemas: { body: AuthorityApprovalRequest },
    answer: AuthorityView,
    handle: ({ authorities }, { body: { reason, ...asked }, by }) =>
      authorities.approve({ ...by, ...(reason !== undefined && { reason }) }, asked),
  }),
  route({
    method: 'GET',
    path: '/v1/authorities',
    kinds: ['operator'],
    summary: 'Machines that may lead beside the first one, and those that may no more',
    uses: ['authorities'],
    schemas: {},
    answer: z.object({ items: z.array(AuthorityView) }),
    handle: async ({ authorities }) => ({ items: await authorities.list() }),
  }),
  route({
    method: 'POST',
    path: '/v1/authorities/:name/revocation',
    kinds: ['operator'],
    summary: 'Lets a machine lead no more; what it holds it has',
    uses: ['authorities'],
    schemas: {
      params: z.strictObject({ name: SubjectId }),
      body: z.strictObject({ reason: ReasonText.optional() }),
    },
    answer: AuthorityView,
    handle: ({ authorities }, { params: { name }, body, by }) => authorities.revoke({ ...by, ...body }, name),
  }),
];
