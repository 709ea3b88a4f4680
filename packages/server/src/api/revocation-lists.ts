import {
  AddedList,
  type IssuerList,
  NewListRequest,
  RevocationLists,
  RevocationListsQuery,
} from '@portcullis/contract';
import type { FleetIssuer } from '../issuance/issuance.ts';
import type { RevocationList } from '../revocation/revocation.ts';
import { timestamp } from '../telemetry/telemetry.ts';
import { type Rooms, type Route, route } from './route.ts';

const bodyBytesMax = 128 * 1024;

export const revocationListsRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/revocation-lists',
    kinds: ['operator', 'desk', 'monitor'],
    summary:
      'Each issuer with its newest list of revoked and suspended certificates; nothing, where that is held already',
    uses: ['feed', 'issuance', 'lists'],
    schemas: { query: RevocationListsQuery },
    answer: RevocationLists,
    async handle({ feed, issuance, lists }, { query, peer }) {
      await feed.requireSeen(query);
      if (peer.kind === 'desk') lists.given(query.number ?? 0);
      const { mark } = lists;
      if (query.held === mark) return { mark };
      const made = new Map(lists.current().map((list) => [list.issuer, list]));
      return { mark, items: issuance.issuers().map((issuer) => itemOf(issuer, made.get(issuer.key))) };
    },
  }),
  route({
    method: 'POST',
    path: '/v1/revocation-lists',
    kinds: ['operator'],
    summary: 'Takes a later list of a root whose key is on another machine; verifiers get it from then on',
    uses: ['lists', 'rollovers'],
    schemas: { body: NewListRequest },
    answer: AddedList,
    bodyBytesMax,
    async handle({ lists, rollovers }, { body: { list, reason }, by }) {
      const taken = await lists.add({ ...by, reason }, Buffer.from(list, 'base64'));
      await rollovers.look();
      return { issuer: taken.issuer, ...factsOf(taken) };
    },
  }),
];

function itemOf({ key: issuer, name, role, certificate }: FleetIssuer, made: RevocationList | undefined): IssuerList {
  const list = made && { ...factsOf(made), der: Buffer.from(made.der).toString('base64') };
  return { issuer, name, role, certificate: certificate.toString('base64'), list: list ?? null };
}

/** What is told of a list without the list. */
export const factsOf = ({ number, thisUpdate, nextUpdate, entries }: RevocationList) => ({
  ...{ number, thisUpdate: timestamp(thisUpdate), nextUpdate: timestamp(nextUpdate) },
  entries,
});

/** Of each issuer that has not ended; null: it has no list. */
export function listsOf({ issuance, lists, system }: Pick<Rooms, 'issuance' | 'lists' | 'system'>) {
  const made = new Map(lists.current().map((list) => [list.issuer, factsOf(list)]));
  const issuers = issuance.issuers().filter(({ notAfter }) => notAfter > system.now());
  return issuers.map(({ key }) => ({ issuer: key, list: made.get(key) ?? null }));
}
