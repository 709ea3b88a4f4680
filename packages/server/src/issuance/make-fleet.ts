import type { FleetName } from '@portcullis/contract';
import type { Keys, Signer } from '../keys/keys.ts';
import { makeCertificate, toPem } from '../pki/pki.ts';
import type { Store } from '../storage/storage.ts';
import type { System } from '../telemetry/telemetry.ts';
import { addressesAt } from './addresses.ts';
import { positiveSerial, wholeSecond } from './issue.ts';
import { backdateMs, issuerLifetimeMs, rootLifetimeMs } from './profiles.ts';

interface Parts {
  store: Store;
  keys: Keys;
  system: System;
  fleet: FleetName;
  /** Where a desk publishes what is known of certificates. */
  publicUrl?: string | undefined;
}

/** Makes the root and both issuers, and stores their certificates: the beginning of a fleet. The root's key signs nothing else. */
export async function makeFleet({ store, keys, system, fleet, publicUrl }: Parts): Promise<{ root: string }> {
  const now = system.now();
  const notBefore = wholeSecond(now - backdateMs);
  const rootKey = await keys.create('root');
  const rootName = `${fleet} root`;
  const serial = () => positiveSerial(system.random(16));
  const below = { issuer: rootName, issuerPublicKey: rootKey.publicKey, notBefore };
  const root = await makeCertificate(
    {
      ...below,
      serial: serial(),
      subject: rootName,
      publicKey: rootKey.publicKey,
      notAfter: wholeSecond(now + rootLifetimeMs),
      authority: { pathLength: 1 },
    },
    rootKey,
  );
  const addresses = publicUrl === undefined ? {} : { addresses: addressesAt(publicUrl, { key: 'root' }) };
  const issuerOf = async (key: Signer, subject: string) =>
    makeCertificate(
      {
        ...below,
        serial: serial(),
        subject,
        publicKey: key.publicKey,
        notAfter: wholeSecond(now + issuerLifetimeMs),
        authority: { pathLength: 0 },
        ...addresses,
      },
      rootKey,
    );
  const device = await issuerOf(await keys.create('issuer-device'), `${fleet} device issuer`);
  const infrastructure = await issuerOf(await keys.create('issuer-infrastructure'), `${fleet} infrastructure issuer`);
  const pem = (der: Buffer) => toPem('CERTIFICATE', der);
  const settings = { fleet, bundleVersion: '1', roots: pem(root) };
  const made = { state: 'issuing', madeAt: now } as const;
  const issuers = [
    { key: 'root', role: 'root', certificate: pem(root), ...made },
    { key: 'issuer-device', role: 'device', certificate: pem(device), ...made },
    { key: 'issuer-infrastructure', role: 'infrastructure', certificate: pem(infrastructure), ...made },
  ] as const;
  await store.change(async (db) => {
    const rows = Object.entries(settings).map(([name, value]) => ({ name, value }));
    await db.insertInto('settings').values(rows).execute();
    await db.insertInto('issuers').values(issuers).execute();
  });
  return { root: settings.roots };
}
