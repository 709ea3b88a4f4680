import { PortcullisError } from '@portcullis/contract';
import { isListOf, readAuthority, readList } from '../../pki/pki.ts';
import { timestamp } from '../../telemetry/telemetry.ts';
import type { ListIssuer, RevocationList } from './lists.ts';

interface Known {
  issuers: readonly ListIssuer[];
  /** The list of an issuer that is given to verifiers now. */
  before(issuer: string): RevocationList | undefined;
  now: number;
}

/**
 * A list that was made where the root's key is. One that takes back what verifiers were told is refused: a copy of an old machine makes such.
 * @throws {PortcullisError} `file_unusable`
 */
export function broughtList(der: Buffer, { issuers, before, now }: Known): RevocationList {
  const list = readList(der);
  const root = issuers.find((one) => one.role === 'root' && isListOf(list, one.certificate));
  if (!root) {
    const names = issuers.filter(({ role }) => role === 'root').map(({ name }) => `"${name}"`);
    throw unusable(`it is not signed by a root of this fleet: [${names.join(', ')}]`);
  }
  if (readAuthority(root.certificate).mayRevoke === false) {
    throw unusable(`"${root.name}" may not sign lists (key usage: cRLSign), and verifiers refuse one`);
  }
  const { number, thisUpdate, nextUpdate, entries } = list;
  if (thisUpdate > now) throw unusable(`it is of ${timestamp(thisUpdate)}, which is to come: look at both clocks`);
  if (nextUpdate <= now) throw unusable(`it ended ${timestamp(nextUpdate)}`);
  const held = before(root.key);
  if (held) requireLater({ number, thisUpdate }, held);
  requireStillOn(entries, held, { root, issuers });
  return { issuer: root.key, number, der, thisUpdate, nextUpdate, entries: entries.length };
}

function requireLater({ number, thisUpdate }: Pick<RevocationList, 'number' | 'thisUpdate'>, held: RevocationList) {
  if (number <= held.number) throw unusable(`its number is ${number}, and ${held.number} is here; it must be higher`);
  if (thisUpdate >= held.thisUpdate) return;
  const [is, was] = [thisUpdate, held.thisUpdate].map(timestamp);
  throw unusable(`it is of ${is}, and the one of ${was} is here`);
}

/** What stands on a list, as on record. */
export const entriesOn = ({ der }: RevocationList) =>
  readList(Buffer.from(der)).entries.map(({ serial, revokedAt }) => ({ serial, changedAt: revokedAt }));

/** Certificates of others that such a root signed may end and leave its list; the fleet's issuers stay on it while they last. */
function requireStillOn(
  entries: readonly { serial: string }[],
  held: RevocationList | undefined,
  { root, issuers }: { root: ListIssuer; issuers: readonly ListIssuer[] },
): void {
  if (!held) return;
  const [stand, stood] = [entries, entriesOn(held)].map((some) => new Set(some.map(({ serial }) => serial))) as [
    Set<string>,
    Set<string>,
  ];
  const lost = issuers.find(({ issuer, serial }) => issuer === root.name && stood.has(serial) && !stand.has(serial));
  if (lost) throw unusable(`"${lost.name}" is revoked by the list that is here, and not on it`);
}

const unusable = (why: string) => new PortcullisError('file_unusable', `the list is not taken: ${why}`);
