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
      'fleet',
      'issuance',
      'journal',
      'lists',
      'revocation',
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
  | 'fleet'
  | 'issuance'
  | 'journal'
  | 'lists'
  | 'revocation'
  | 'system'
  | 'startedAt'
  | 'diskSpace'
  | 'shipping'
  | 'verified'
>;

async function statusOf(rooms: Looked, within: number): Promise<AuthorityStatus> {
  const { fleet, issuance, journal, revocation, system, startedAt } = rooms;
  const [shipping, disk, end, ending] = await Promise.all([
    rooms.shipping(),
    rooms.diskSpace(),
    journal.verifyEnd(),
    revocation.ending(within * 1000),
  ]);
  return {
    ...{ fleet: fleet as AuthorityStatus['fleet'], version, startedAt: timestamp(startedAt) },
    ...{ time: timestamp(system.now()), revision: journal.head().revision, disk },
    journal: { ...end, verified: rooms.verified() ?? null },
    ...(shipping && { shipping }),
    listeners: rooms.doors.list(),
    issuers: issuance.ends().map(({ name, notAfter }) => ({ name, notAfter: timestamp(notAfter) })),
    lists: listsOf(rooms),
    ending: { within, ...ending },
  };
}
