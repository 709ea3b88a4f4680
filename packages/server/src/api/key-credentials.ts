import {
  KeyContext,
  KeyContextQuery,
  KeyCredentialCreated,
  KeyCredentialRequest,
  PortcullisError,
} from '@portcullis/contract';
import { type Route, route } from './route.ts';

export const keyCredentialsRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/key-credentials',
    kinds: ['operator'],
    summary: 'Makes a key credential, and the subject if it is new; the answer alone has its secret',
    uses: ['keyCredentials'],
    schemas: { body: KeyCredentialRequest },
    answer: KeyCredentialCreated,
    async handle({ keyCredentials }, { body, by, reply }) {
      reply.header('cache-control', 'no-store');
      return keyCredentials.create(by, body);
    },
  }),
  route({
    method: 'GET',
    path: '/v1/key-contexts',
    kinds: ['gate'],
    summary: 'The security context of a key credential under an ID context, as the gate needs it (RFC 8613)',
    uses: ['keyCredentials', 'keyContexts'],
    schemas: { query: KeyContextQuery },
    answer: KeyContext,
    async handle({ keyCredentials, keyContexts }, { query, peer, reply }) {
      reply.header('cache-control', 'no-store');
      if (!keyContexts.take(peer.subject)) {
        const detail = { retryAfterSeconds: 1 };
        throw new PortcullisError('rate_limited', `"${peer.subject}" asks for contexts too often`, { detail });
      }
      return keyCredentials.contextOf(peer.subject, query);
    },
  }),
];
