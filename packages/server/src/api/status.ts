import { AuthorityStatus, StatusQuery } from '@portcullis/contract';
import { timestamp, version } from '../telemetry/telemetry.ts';
import { listsOf } from './revocation-lists.ts';
import { type Rooms, type Route, route } from './route.ts';

export const statusRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/status',
    kinds: ['operator'],
    summary: 'How the authority stands: its disk, the end of its journal, what certificates end soon',
    uses: [
      'doors',
      'enrolment',
      'fleet',
      'issuance',
      'journal',
      'lists',
      'revocation',
      'rollovers',
      'system',
      'startedAt',
      'diskSpace',
      'shipping',
      'verified',
    ],
    schemas: { query: StatusQuery },
    answer: AuthorityStatus,
    handle: (rooms, { query }) => statusOf(rooms, query.endingWithin),
  }),
];

type Looked = Pick<
  Rooms,
  | 'doors'
  | 'enrolment'
  | 'fleet'
  | 'issuance'
  | 'journal'
  | 'lists'
  | 'revocation'
  | 'rollovers'
  | 'system'
  | 'startedAt'
  | 'diskSpace'
  | 'shipping'
  | 'verified'
>;

async function statusOf(rooms: Looked, within: number): Promise<AuthorityStatus> {
  const { fleet, issuance, journal, revocation, system, startedAt } = rooms;
  const [shipping, disk, end, ending, lost] = await Promise.all([
    rooms.shipping(),
    rooms.diskSpace(),
    journal.verifyEnd(),
    revocation.ending(within * 1000),
    rooms.rollovers.lost(),
  ]);
  return {
    ...{ fleet: fleet as AuthorityStatus['fleet'], version, startedAt: timestamp(startedAt) },
    ...{ time: timestamp(system.now()), revision: journal.head().revision, disk },
    journal: { ...end, verified: rooms.verified() ?? null },
    ...(shipping && { shipping }),
    ...addressesOf(rooms),
    listeners: rooms.doors.list(),
    issuers: issuance.ends().map(({ name, notAfter }) => ({ name, notAfter: timestamp(notAfter) })),
    lists: listsOf(rooms),
    lost: lost.named,
    ending: { within, ...ending },
  };
}

function addressesOf({ enrolment }: Looked): Pick<AuthorityStatus, 'addresses'> {
  const addresses = enrolment.addresses('operator');
  return addresses ? { addresses } : {};
}
