import {
  RolloverAnswer,
  RolloverRequest,
  RolloverStarted,
  RolloverStep,
  RolloversView,
  RolloverView,
} from '@portcullis/contract';
import { listIn, parseRootAnswer } from '../issuance/issuance.ts';
import { type Route, route } from './route.ts';

const bodyBytesMax = 512 * 1024;

export const rolloversRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/rollovers',
    kinds: ['operator'],
    summary: 'Rollovers of issuers and roots, and who would be lost by the next step of the one that is under way',
    uses: ['rollovers'],
    schemas: {},
    answer: RolloversView,
    handle: ({ rollovers }) => rollovers.list(),
  }),
  route({
    method: 'POST',
    path: '/v1/rollovers',
    kinds: ['operator'],
    summary: 'Makes an issuer, or a root with issuers below it, and tells everybody; nothing is signed by it yet',
    uses: ['rollovers'],
    schemas: { body: RolloverRequest },
    answer: RolloverStarted,
    handle: ({ rollovers }, { body: { reason, ...asked }, by }) => rollovers.start({ ...by, reason }, asked),
  }),
  route({
    method: 'POST',
    path: '/v1/rollovers/answer',
    kinds: ['operator'],
    summary: 'Takes what a root on another machine answered',
    uses: ['rollovers', 'lists', 'log'],
    schemas: { body: RolloverAnswer },
    answer: RolloverView,
    bodyBytesMax,
    async handle({ rollovers, lists, log }, { body: { answer, reason }, by }) {
      const view = await rollovers.answer({ ...by, reason }, answer);
      const list = listIn(parseRootAnswer(answer));
      // What is asked for is done; a list that is not taken can be brought by itself.
      if (list)
        await lists.add(by, list).catch((error: unknown) => log.warn({ err: error }, 'no list with the answer'));
      return view;
    },
  }),
  route({
    method: 'POST',
    path: '/v1/rollovers/advance',
    kinds: ['operator'],
    summary: 'To trusted, once everybody who has to holds the bundle; from there to issuing',
    uses: ['rollovers'],
    schemas: { body: RolloverStep },
    answer: RolloverView,
    handle: ({ rollovers }, { body: { reason, ...step }, by }) => rollovers.advance({ ...by, reason }, step),
  }),
  route({
    method: 'POST',
    path: '/v1/rollovers/retirement',
    kinds: ['operator'],
    summary: 'Takes what was followed out of the bundle, once nobody would be lost by that',
    uses: ['rollovers'],
    schemas: { body: RolloverStep },
    answer: RolloverView,
    handle: ({ rollovers }, { body: { reason, ...step }, by }) => rollovers.retire({ ...by, reason }, step),
  }),
  route({
    method: 'POST',
    path: '/v1/rollovers/abandonment',
    kinds: ['operator'],
    summary: 'Takes back what was prepared, before anything was issued by it',
    uses: ['rollovers'],
    schemas: { body: RolloverStep.omit({ force: true, without: true }) },
    answer: RolloverView,
    handle: ({ rollovers }, { body: { reason }, by }) => rollovers.abandon({ ...by, reason }),
  }),
];
