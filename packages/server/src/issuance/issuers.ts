/** Who signs. Each has a name and a key of its own: a new key never comes under an old name. */
import { PortcullisError } from '@portcullis/contract';
import type { Keys, Signer } from '../keys/keys.ts';
import { fromPem, readCertificate } from '../pki/pki.ts';
import type { Schema, Store } from '../storage/storage.ts';
import type { Lifetimes, Profile } from './profiles.ts';

type Row = Schema['issuers'];

/** A certificate authority of the fleet. */
export interface FleetIssuer {
  /** The name of its key. */
  key: string;
  role: Row['role'];
  state: Row['state'];
  /** The common name in its certificate. */
  name: string;
  fingerprint: string;
  /** Of its certificate, in hex, and the common name of who signed that. */
  serial: string;
  issuer: string;
  certificate: Buffer;
  pem: string;
  /** Milliseconds since 1970. */
  notBefore: number;
  notAfter: number;
  /** Undefined: its key is not on this machine. */
  signer: Signer | undefined;
}

/** One that signs: ready to. */
export type Issuer = FleetIssuer & { signer: Signer };

/** @throws {PortcullisError} `key_unusable` where one that signs has no key here, `store_damaged` */
export async function openIssuers(store: Store, keys: Keys): Promise<FleetIssuer[]> {
  const rows = await store.read((db) =>
    db.selectFrom('issuers').selectAll().orderBy('madeAt').orderBy('key').execute(),
  );
  const issuers = await Promise.all(rows.map((row) => openIssuer(keys, row)));
  for (const role of ['device', 'infrastructure']) {
    if (issuers.some((one) => one.role === role && one.state === 'issuing')) continue;
    throw new PortcullisError('store_damaged', `the store has no certificate of an issuer for "${role}"`);
  }
  return issuers;
}

async function openIssuer(keys: Keys, { key, role, state, certificate: pem, madeAt: _ }: Row): Promise<FleetIssuer> {
  const [certificate] = fromPem('CERTIFICATE', pem);
  if (!certificate) throw new PortcullisError('store_damaged', `the store has no certificate of "${key}"`);
  const { publicKey, subject: name, ...facts } = readCertificate(certificate);
  const { fingerprint, serial, issuer, notBefore, notAfter } = facts;
  const mustSign = role !== 'root' && state === 'issuing';
  const signer = await keys.open(key).catch((error: unknown) => {
    if (mustSign) throw error;
    return undefined;
  });
  if (signer && !signer.publicKey.equals(publicKey)) {
    throw new PortcullisError(
      'key_unusable',
      `the key "${key}" is not the one of its certificate; put the right file back`,
    );
  }
  return { key, role, state, name, fingerprint, serial, issuer, certificate, pem, notBefore, notAfter, signer };
}

/** By what one of several is chosen. `live`: how many certificates each has that live, by its fingerprint. */
export interface Filled extends Pick<Lifetimes, 'endsSoonMs'> {
  now: number;
  live: ReadonlyMap<string, number>;
}

/**
 * The one that signs now: of several beside each other the one with the fewest certificates, so that their lists stay as short. A client certificate is verified by those who hold each new root first; whatever else is signed is
 * shown to who may not, and goes on below a root that everybody holds.
 */
export function issuingFor(
  issuers: readonly FleetIssuer[],
  { issuer: role, purpose }: Profile,
  filled: Filled,
): Issuer {
  const held = issuers.filter((one) => one.role === 'root' && one.state === 'issuing');
  const able = issuers.filter(
    (one): one is Issuer =>
      one.role === role && !!one.signer && (purpose === 'client' || held.some(({ name }) => name === one.issuer)),
  );
  const issuing = fewest(able, 'issuing', filled);
  return (purpose === 'client' ? issuing : (issuing ?? fewest(able, 'ending', filled))) as Issuer;
}

/** One that ends soon takes nothing while another can; of those with as many, the newest. */
function fewest(
  issuers: readonly Issuer[],
  state: Row['state'],
  { now, live, endsSoonMs }: Filled,
): Issuer | undefined {
  const able = issuers.filter((one) => one.state === state);
  const lasting = able.filter(({ notAfter }) => now + endsSoonMs < notAfter);
  const liveOf = ({ fingerprint }: Issuer) => live.get(fingerprint) ?? 0;
  return (lasting.length > 0 ? lasting : able).toSorted((one, other) => liveOf(other) - liveOf(one)).at(-1);
}

/** Also one that issues no more, for what has to be said in its name. @throws {PortcullisError} `key_unusable` where its key is not here */
export function signerNamed(issuers: readonly FleetIssuer[], fingerprint: string): Issuer {
  const found = issuers.find((one): one is Issuer => one.fingerprint === fingerprint && !!one.signer);
  if (found) return found;
  throw new PortcullisError('key_unusable', `the key of the issuer with the certificate "${fingerprint}" is not here`);
}
