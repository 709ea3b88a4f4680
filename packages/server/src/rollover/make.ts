/** What comes: keys under names that there never were, and certificates, or the request for them. */
import assert from 'node:assert/strict';
import type { KeyAlgorithm, RolloverRequest } from '@portcullis/contract';
import { FleetName, PortcullisError } from '@portcullis/contract';
import {
  askRoot,
  type FleetIssuer,
  type Lifetimes,
  makeRoot,
  type NamedIssuer,
  parseRootAnswer,
  type Root,
  type RootRequest,
  signIssuer,
  takeAnswer,
} from '../issuance/issuance.ts';
import type { Keys } from '../keys/keys.ts';
import { fingerprintOf, toPem } from '../pki/pki.ts';
import type { Schema } from '../storage/storage.ts';
import type { System } from '../telemetry/telemetry.ts';

type Row = Schema['issuers'];

export interface MakeParts {
  keys: Keys;
  system: System;
  fleet: string;
  /** Where a desk publishes what is known of certificates. */
  revocationUrl?: string | undefined;
}

/** What is to come: the issuers, and the root above them where that is another one too. */
export interface Coming {
  root?: { key: string; name: string };
  issuers: NamedIssuer[];
}

const numberMax = 10_000;

/** `taken`: names of keys that there are or were. */
export async function comingFor(
  { keys, fleet }: MakeParts,
  what: RolloverRequest['what'],
  taken: ReadonlySet<string>,
): Promise<Coming> {
  const roles = what === 'root' ? (['device', 'infrastructure'] as const) : [what];
  for (let number = 2; number <= numberMax; number++) {
    const issuers = roles.map((role) => ({
      ...{ key: `issuer-${role}-${number}`, role, name: `${fleet} ${role}-${number} issuer` },
    }));
    const root = what === 'root' ? { key: `root-${number}`, name: `${fleet} root-${number}` } : undefined;
    const names = [...issuers, ...(root ? [root] : [])].map(({ key }) => key);
    if (names.some((name) => taken.has(name))) continue;
    // One that a crash left: it has no certificate, and gets none.
    const found = await Promise.all(names.map((name) => keys.open(name).catch(() => undefined)));
    if (found.every((one) => one === undefined)) return { issuers, ...(root && { root }) };
  }
  throw new PortcullisError('key_unusable', `a fleet has at most ${numberMax} issuers`);
}

/** Where the root's key is here. `by`: the root that signs, unless another one comes. */
export async function makeHere(
  parts: MakeParts & { lifetimes: Lifetimes },
  { algorithm, ...coming }: Coming & { algorithm: KeyAlgorithm },
  by: FleetIssuer | undefined,
): Promise<Row[]> {
  const { keys, system, lifetimes, revocationUrl: publicUrl } = parts;
  const fleet = FleetName.parse(parts.fleet);
  const root = coming.root
    ? await makeRoot({ keys, system, fleet, algorithm, as: coming.root, lifetimes })
    : await rootOf(keys, by);
  const rows = coming.root ? [rowOf(coming.root.key, 'root', root.certificate, system)] : [];
  for (const { key, role, name: subject } of coming.issuers) {
    const { publicKey } = await keys.create(key, algorithm);
    const certificate = await signIssuer(root, { subject, publicKey, publicUrl }, system, lifetimes);
    rows.push(rowOf(key, role, certificate, system));
  }
  return rows;
}

/** Where its key was not to be opened, the second try says why. @throws {PortcullisError} `key_unusable` */
async function rootOf(keys: Keys, issuer: FleetIssuer | undefined): Promise<Root> {
  assert(issuer, 'a fleet has a root');
  const signer = issuer.signer ?? (await keys.open(issuer.key).catch(rootIsAway));
  return { ...issuer, signer };
}

function rootIsAway(cause: Error): never {
  const words = `the root's key is not here (${cause.message}); ask it by a file (--elsewhere)`;
  throw new PortcullisError('key_unusable', words, { cause });
}

const rowOf = (key: string, role: Row['role'], der: Buffer, system: System): Row => ({
  ...{ key, role, certificate: toPem('CERTIFICATE', der), state: 'next', madeAt: system.now() },
});

/** Where it is elsewhere: the issuers' keys are made here, and what is carried says what they are to be. */
export async function askElsewhere(
  parts: MakeParts,
  { root, issuers, algorithm }: Coming & { algorithm: KeyAlgorithm },
): Promise<RootRequest> {
  const { keys, revocationUrl: publicUrl } = parts;
  const asked = { keys, fleet: FleetName.parse(parts.fleet), publicUrl, issuers, algorithm };
  return (await askRoot({ ...asked, ...(root && { root: { name: root.name } }) })).request;
}

/** `roots`: those that the fleet has. @throws {PortcullisError} `file_unusable`, `key_unusable` */
export async function takeElsewhere(
  { keys, system, fleet }: MakeParts,
  text: string,
  { coming, roots }: { coming: Coming; roots: readonly FleetIssuer[] },
): Promise<Row[]> {
  const given = { keys, fleet: FleetName.parse(fleet), now: system.now(), asked: coming.issuers };
  const { begun } = await takeAnswer(parseRootAnswer(text), {
    ...given,
    ...(coming.root && { root: coming.root.name }),
  });
  const known = roots.find(({ fingerprint }) => fingerprint === fingerprintOf(begun.root));
  if (!coming.root && known?.state !== 'issuing') {
    throw new PortcullisError('file_unusable', "it is signed by a root that is not the fleet's");
  }
  if (coming.root && known) throw new PortcullisError('file_unusable', `"${known.name}" is the root that is to go`);
  const rows = begun.issuers.map(({ key, role, certificate }) => rowOf(key, role, certificate, system));
  return coming.root ? [rowOf(coming.root.key, 'root', begun.root, system), ...rows] : rows;
}
