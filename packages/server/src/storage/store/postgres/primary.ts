/**
 * Which of several databases, that were one, takes changes. Two of them may be alive at once, one that was replaced and knows nothing of it:
 * so the latest timeline is taken, and an authority leads none of several unless what was replaced can commit nothing any more.
 */
import { PortcullisError } from '@portcullis/contract';
import pg from 'pg';
import type { Address } from '../../postgres/address.ts';

/** What one of them says of itself. */
export interface Seen {
  standby: boolean;
  /** Of all that were one: the same (`pg_control_system`). */
  system: string;
  /** Of the log that it writes: each promotion begins another. Null at a standby. */
  timeline: number | null;
  synchronous: string;
}

export type Looked = { place: string } & ({ seen: Seen } | { why: string });

const answerMs = 2_000;
const question = `SELECT pg_is_in_recovery() AS "standby", (SELECT system_identifier::text FROM pg_control_system()) AS "system",
  CASE WHEN pg_is_in_recovery() THEN NULL
    ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END AS "timeline",
  current_setting('synchronous_standby_names') AS "synchronous"`;

/**
 * The address with the one place that takes changes; of one place that it is that.
 * @throws {PortcullisError} `store_unavailable` where none does, `config_invalid` where they were never one, or one that was replaced could go on
 */
export async function primaryOf(address: Address): Promise<Address> {
  if (address.others.length === 0) return address;
  const clients = [address.client, ...address.others];
  const looked = await Promise.all(clients.map(look));
  const chosen = chosenOf(looked);
  if (!address.fenced) requireFencing(looked[chosen] as Looked, clients.length);
  return { ...address, client: clients[chosen] as pg.ClientConfig, others: [] };
}

async function look(config: pg.ClientConfig): Promise<Looked> {
  const place = `${config.host}:${config.port}`;
  const client = new pg.Client({ ...config, connectionTimeoutMillis: answerMs, query_timeout: answerMs });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<Seen>(question);
    return { place, seen: rows[0] as Seen };
  } catch (error) {
    return { place, why: (error as Error).message || String((error as { code?: string }).code) };
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** The index of the one that takes changes. */
export function chosenOf(looked: readonly Looked[]): number {
  const all = looked.flatMap((one, index) => ('seen' in one ? [{ index, place: one.place, ...one.seen }] : []));
  if (new Set(all.map(({ system }) => system)).size > 1) {
    const places = all.map(({ place }) => place).join(' and ');
    throw new PortcullisError('config_invalid', `the databases of "store" at ${places} are not copies of one another`);
  }
  const primaries = all
    .filter(({ standby }) => !standby)
    .toSorted((one, other) => (other.timeline ?? 0) - (one.timeline ?? 0));
  const [first, second] = primaries;
  if (!first) {
    const states = looked.map(
      (one) => `${one.place} ${'seen' in one ? 'is a standby' : `does not answer (${one.why})`}`,
    );
    throw new PortcullisError('store_unavailable', `no database of "store" takes changes: ${states.join(', ')}`);
  }
  if (second && second.timeline === first.timeline) {
    const why = `${first.place} and ${second.place} both take changes, and neither was promoted after the other; stop one`;
    throw new PortcullisError('store_unavailable', `of the databases of "store" ${why}`);
  }
  return first.index;
}

/** As the server reads it: `[FIRST] N (a, b)`, `ANY N (a, b)`, or a list, of which the first is waited for. */
const counted = /^\s*(?:(?:first|any)\s+)?(\d+)\s*\((.*)\)\s*$/is;

/** Of two, each commit has to wait for the other; of more, for one of those that are named. */
export function isFenced(synchronous: string, count: number): boolean {
  const [, wanted = '1', listed = synchronous] = counted.exec(synchronous) ?? [];
  const names = listed.split(',').map((name) => name.trim());
  if (names.some((name) => name === '' || name === '*') || Number(wanted) < 1) return false;
  return count > 2 || names.length === 1;
}

function requireFencing(one: Looked, count: number): void {
  if (!('seen' in one) || isFenced(one.seen.synchronous, count)) return;
  const wanted =
    count > 2 ? 'name those that may be promoted, and not *' : 'name the one that may be promoted, and no other';
  throw new PortcullisError(
    'config_invalid',
    `"store" names several databases, and at ${one.place} a commit waits for none of the others ("synchronous_standby_names" is "${one.seen.synchronous}"): one that was replaced could go on. It must ${wanted}; or say fencing=external where something else keeps a replaced one from committing`,
  );
}
