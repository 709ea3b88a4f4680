import type { FleetName, KeyAlgorithm } from '@portcullis/contract';
import type { Keys, Signer } from '../keys/keys.ts';
import { readList, toPem } from '../pki/pki.ts';
import type { Store } from '../storage/storage.ts';
import type { System } from '../telemetry/telemetry.ts';
import type { Lifetimes } from './profiles.ts';
import { makeRoot, type Root, signIssuer } from './root.ts';

/** The issuers that a fleet begins with: the names of their keys, and what they sign for. */
export const firstIssuers = [
  { key: 'issuer-device', role: 'device' },
  { key: 'issuer-infrastructure', role: 'infrastructure' },
] as const;
export type FirstIssuer = (typeof firstIssuers)[number];

/** An issuer's name is its own: a key that comes later comes under another. */
export const issuerName = (fleet: FleetName, { role }: FirstIssuer) => `${fleet} ${role} issuer`;

/** An issuer before it has a certificate: the names of its key, and of itself. */
export interface NamedIssuer {
  key: string;
  role: FirstIssuer['role'];
  name: string;
}
export const firstNamed = (fleet: FleetName): NamedIssuer[] =>
  firstIssuers.map((issuer) => ({ ...issuer, name: issuerName(fleet, issuer) }));

interface Parts {
  store: Store;
  keys: Keys;
  system: System;
  fleet: FleetName;
  /** Where a desk publishes what is known of certificates. */
  publicUrl?: string | undefined;
  /** One that there is already; else one is made, whose key lies beside the others. */
  root?: Root | undefined;
  /** Of the keys that are made; not given: P-256. */
  algorithm?: KeyAlgorithm | undefined;
  lifetimes?: Lifetimes;
}

/** Makes the root and both issuers, and stores their certificates: the beginning of a fleet. The root's key signs nothing else. */
export async function makeFleet(parts: Parts): Promise<{ root: string }> {
  const { store, keys, system, fleet, publicUrl, algorithm, lifetimes } = parts;
  const root = parts.root ?? (await makeRoot({ keys, system, fleet, algorithm, ...(lifetimes && { lifetimes }) }));
  const issuers: Begun['issuers'] = [];
  for (const issuer of firstIssuers) {
    const signer: Signer = await keys.create(issuer.key, algorithm);
    const wanted = { subject: issuerName(fleet, issuer), publicKey: signer.publicKey, publicUrl };
    issuers.push({ ...issuer, certificate: await signIssuer(root, wanted, system, lifetimes) });
  }
  return storeFleet(store, { fleet, root: root.certificate, issuers }, system);
}

export interface Begun {
  fleet: FleetName;
  /** In DER, as those of the issuers. */
  root: Buffer;
  issuers: { key: string; role: FirstIssuer['role']; certificate: Buffer }[];
  /** Of what a root on another machine revoked. */
  list?: Buffer;
}

/** What a store begins with. */
export async function storeFleet(
  store: Store,
  { fleet, root, issuers, list: der }: Begun,
  system: System,
): Promise<{ root: string }> {
  const pem = (der: Buffer) => toPem('CERTIFICATE', der);
  const settings = { fleet, bundleVersion: '1' };
  const made = { state: 'issuing', madeAt: system.now() } as const;
  const rows = [
    { key: 'root', role: 'root', certificate: pem(root), ...made } as const,
    ...issuers.map(({ key, role, certificate }) => ({ key, role, certificate: pem(certificate), ...made })),
  ];
  await store.change(async (db) => {
    const named = Object.entries(settings).map(([name, value]) => ({ name, value }));
    await db.insertInto('settings').values(named).execute();
    await db.insertInto('issuers').values(rows).execute();
    if (!der) return;
    const { number, thisUpdate, nextUpdate, entries } = readList(der);
    const list = { issuer: 'root', number, der, thisUpdate, nextUpdate, entries: entries.length };
    await db.insertInto('revocationLists').values(list).execute();
  });
  return { root: pem(root) };
}
