import type { AlertsRaised } from '../alerts/alerts.ts';
import type { FleetIssuer, Issuance } from '../issuance/issuance.ts';
import type { Reader, Store } from '../storage/storage.ts';
import { aTurn, type System } from '../telemetry/telemetry.ts';

export interface FillParts {
  store: Store;
  issuance: Pick<Issuance, 'issuers' | 'counted'>;
  alerts: AlertsRaised;
  system: Pick<System, 'now'>;
  issuers: {
    /** How many certificates of devices one issuer is to have. */
    perCertificates: number;
  };
}

const pageRows = 2_000;
/** Certificates end and come all the time: what rings at the one share is over at the other. */
const [ringsFrom, settledBelow] = [0.8, 0.7];

export const signing = (issuers: readonly FleetIssuer[]) =>
  issuers.filter(({ role, state }) => role !== 'root' && state !== 'retired');

/** How many certificates of each issuer live, by its fingerprint. Undefined where nobody waits for it any more. */
export async function countLive(
  { store, issuance, system }: Pick<FillParts, 'store' | 'issuance' | 'system'>,
  isWanted: () => boolean = () => true,
): Promise<ReadonlyMap<string, number> | undefined> {
  const now = system.now();
  const counts = new Map<string, number>();
  for (const { name, fingerprint } of signing(issuance.issuers())) {
    let sum = 0;
    for (let after = ''; ; await aTurn()) {
      if (!isWanted()) return undefined;
      const { rows, live, last } = await store.read((db) => livePage(db, { issuer: name, after, now }));
      sum += live;
      if (rows < pageRows) break;
      after = last ?? '';
    }
    counts.set(fingerprint, sum);
  }
  return counts;
}

function livePage(db: Reader, { issuer, after, now }: { issuer: string; after: string; now: number }) {
  return db
    .selectFrom((from) =>
      from
        .selectFrom('certificates')
        .select(['serial', 'standing', 'notAfter'])
        .where('issuer', '=', issuer)
        .where('serial', '>', after)
        .orderBy('serial')
        .limit(pageRows)
        .as('page'),
    )
    .select(({ fn }) => [
      fn.countAll<number>().as('rows'),
      fn.max<string | null>('serial').as('last'),
      fn
        .countAll<number>()
        .filterWhere('standing', 'in', ['valid', 'suspended'])
        .filterWhere('notAfter', '>', now)
        .as('live'),
    ])
    .executeTakeFirstOrThrow();
}

/** What the issuers for devices together have, and are to have. */
export interface Fill {
  live: number;
  room: number;
  names: string[];
}

/** `counts`: as `countLive` gives them. Undefined where none signs. */
export function fillOf(
  { issuance, issuers }: Pick<FillParts, 'issuance' | 'issuers'>,
  counts: ReadonlyMap<string, number>,
): Fill | undefined {
  const able = issuance.issuers().filter(({ role, state }) => role === 'device' && state === 'issuing');
  if (able.length === 0) return undefined;
  const live = able.reduce((sum, { fingerprint }) => sum + (counts.get(fingerprint) ?? 0), 0);
  return { live, room: able.length * issuers.perCertificates, names: able.map(({ name }) => name) };
}

export const isFilling = ({ live, room }: Pick<Fill, 'live' | 'room'>) => live >= ringsFrom * room;
export const isFull = ({ live, room }: Pick<Fill, 'live' | 'room'>) => live >= room;

/** What follows by itself where they are full: nothing; `name`, as soon as they are; or that one, were it not for what stands in its way. */
export type Following = { name: string; inItsWay?: string | undefined } | undefined;

/** One at a time rings, of those that say different things. */
const keys = { asks: 'device', made: 'device made', waits: 'device waits' };

/** From the share on at which the next one is best there, until there is room again. */
export async function tellFill(
  { store, alerts, system }: Pick<FillParts, 'store' | 'alerts' | 'system'>,
  fill: Fill,
  following: Following,
): Promise<void> {
  const { live, room, names } = fill;
  const at = system.now();
  const which = following === undefined ? 'asks' : isFull(fill) ? 'waits' : 'made';
  await store.change(async (db) => {
    const over = live < settledBelow * room ? Object.values(keys) : [];
    const others = isFilling(fill) ? Object.values(keys).filter((key) => key !== keys[which]) : over;
    for (const key of others) await alerts.settle(db, 'issuer_filling', key, at);
    if (!isFilling(fill)) return;
    const says = `${have(fill)}; ${nextWords(following, which)}`;
    const detail = { live, room, issuers: names.length, ...(following && { next: following.name }) };
    await alerts.raise(db, { kind: 'issuer_filling', subject: null, key: keys[which], at, says, detail });
  });
}

function have({ live, room, names }: Fill): string {
  const whose = names.map((name) => `"${name}"`).join(', ');
  return `${whose} have ${live} certificates of ${room} that they are to have (issuers.perCertificates)`;
}

function nextWords(following: Following, which: keyof typeof keys): string {
  if (!following) return '"portcullis rollover start device --beside" makes another issuer beside them';
  const { name, inItsWay = 'it is looked at again within an hour' } = following;
  return which === 'waits'
    ? `"${name}" does not sign yet: ${inItsWay}`
    : `"${name}" was made beside them, and signs once they are full: back up the keys again`;
}
