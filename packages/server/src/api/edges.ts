import { EdgesAnswer, EdgesReport } from '@portcullis/contract';
import { type Route, route } from './route.ts';

export const edgesRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/edges',
    kinds: ['gate'],
    summary:
      'Readings that went out of a rule’s bounds or came back, and the newest of each sender that a rule watches',
    uses: ['rules'],
    schemas: { body: EdgesReport },
    answer: EdgesAnswer,
    bodyBytesMax: 1024 * 1024,
    handle: ({ rules }, { body, peer, by }) => rules.take(peer.subject, body, by),
  }),
];
