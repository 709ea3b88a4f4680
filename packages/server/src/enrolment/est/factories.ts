import { X509Certificate } from 'node:crypto';
import { type FactoryRequest, type FactoryView, isStrongKey, PortcullisError } from '@portcullis/contract';
import type { By } from '../../journal/journal.ts';
import { fingerprintOf, fromPem, readCertificate } from '../../pki/pki.ts';
import type { Schema } from '../../storage/storage.ts';
import { timestamp } from '../../telemetry/telemetry.ts';
import type { EnrolmentParts } from '../open.ts';

export type FactoryRow = Schema['factories'];

const factoriesMax = 64;
const authoritiesMax = 8;

/** One that was removed may be there again, with other authorities. @throws {PortcullisError} `request_malformed`, `factory_exists` */
export async function addFactory(
  parts: EnrolmentParts,
  by: By,
  { name, kind, serialBecomes, into, authorities }: FactoryRequest,
): Promise<FactoryView> {
  const ders = requireAuthorities(parts, authorities);
  const fingerprints = ders.map((der) => fingerprintOf(der));
  const body = { factory: name, kind, serialBecomes, into, authorities: fingerprints };
  const row = { name, kind, serialBecomes, into: JSON.stringify(into), authorities, addedAt: parts.system.now() };
  await parts.journal.note({ ...by, action: 'factories.add', body }, async (db) => {
    const live = await db.selectFrom('factories').select(['name', 'authorities']).where('removed', '=', 0).execute();
    if (live.some((one) => one.name === name))
      throw new PortcullisError('factory_exists', `there is a factory "${name}"; remove it first to change it`);
    requireOfNoOther(ders, live);
    if (live.length >= factoriesMax)
      throw new PortcullisError('request_malformed', `there are ${factoriesMax} factories, as many as may be`);
    await db
      .insertInto('factories')
      .values({ ...row, removed: 0 })
      .onConflict((conflict) => conflict.column('name').doUpdateSet({ ...row, removed: 0 }))
      .execute();
  });
  return viewOf({ ...row, removed: 0 }, await countOf(parts, name));
}

/** What a factory's authority signs counts for it alone: one of the fleet's own would let every device make others. */
function requireAuthorities({ issuance, system }: EnrolmentParts, pem: string): Buffer[] {
  const ders = fromPem('CERTIFICATE', pem);
  if (ders.length === 0 || ders.length > authoritiesMax)
    throw wrong(`there are ${ders.length} certificates in it; there must be 1 to ${authoritiesMax}, in PEM`);
  // Those that are retired too: what they signed is in devices.
  const ownKeys = new Set(issuance.issuers().map(({ certificate }) => keyIn(certificate)));
  for (const der of ders) {
    const { subject, notAfter, key } = readCertificate(der);
    if (!new X509Certificate(der).ca) throw wrong(`"${subject}" may not issue certificates`);
    if (notAfter < system.now()) throw wrong(`"${subject}" ended ${timestamp(notAfter)}`);
    if (ownKeys.has(keyIn(der))) throw wrong(`"${subject}" is an authority of this fleet, or was one`);
    if (!isStrongKey(key)) throw wrong(`"${subject}" has a key that nothing is verified by: ${strongKeys}`);
  }
  return ders;
}

const strongKeys =
  'it must be on P-256, P-384 or P-521, Ed25519, ML-DSA, or RSA with 2048 to 8192 bits and an odd exponent from 65537 to 2^32';

const keyIn = (der: Uint8Array) => readCertificate(der).publicKey.toString('hex');

/** What one thing is called would else depend on which of two factories is asked first. */
function requireOfNoOther(ders: readonly Buffer[], others: readonly Pick<FactoryRow, 'name' | 'authorities'>[]): void {
  const keys = new Set(ders.map(keyIn));
  for (const { name, authorities } of others) {
    const same = fromPem('CERTIFICATE', authorities).find((der) => keys.has(keyIn(der)));
    if (!same) continue;
    const is = `"${readCertificate(same).subject}" is an authority of the factory "${name}" already`;
    throw wrong(`${is}; remove that one, or leave it out`);
  }
}

const wrong = (why: string) => new PortcullisError('request_malformed', `authorities: ${why}`);

export async function listFactories(parts: EnrolmentParts): Promise<FactoryView[]> {
  const rows = await liveFactories(parts);
  const views: FactoryView[] = [];
  for (const row of rows) views.push(viewOf(row, await countOf(parts, row.name)));
  return views;
}

/** What it brought stays as it is. @throws {PortcullisError} `factory_unknown` */
export async function removeFactory({ journal }: EnrolmentParts, by: By, name: string): Promise<void> {
  await journal.note({ ...by, action: 'factories.remove', body: { factory: name } }, async (db) => {
    const removed = db.updateTable('factories').set({ removed: 1 }).where('name', '=', name).where('removed', '=', 0);
    if ((await removed.executeTakeFirst()).numUpdatedRows === 1n) return;
    throw new PortcullisError('factory_unknown', `there is no factory "${name}"`);
  });
}

export function liveFactories({ store }: EnrolmentParts): Promise<FactoryRow[]> {
  return store.read((db) => db.selectFrom('factories').selectAll().where('removed', '=', 0).orderBy('name').execute());
}

async function countOf({ store }: EnrolmentParts, factory: string): Promise<number> {
  const row = await store.read((db) =>
    db
      .selectFrom('factoryEnrolments')
      .select(({ fn }) => fn.countAll<number>().as('count'))
      .where('factory', '=', factory)
      .executeTakeFirstOrThrow(),
  );
  return Number(row.count);
}

function viewOf({ name, kind, serialBecomes, into, authorities, addedAt }: FactoryRow, enrolled: number): FactoryView {
  return {
    ...{ name, enrolled, addedAt: timestamp(addedAt) },
    kind: kind as FactoryView['kind'],
    serialBecomes: serialBecomes as FactoryView['serialBecomes'],
    into: JSON.parse(into) as FactoryView['into'],
    authorities: fromPem('CERTIFICATE', authorities).map((der) => {
      const { subject, fingerprint, notAfter } = readCertificate(der);
      return { name: subject, fingerprint, notAfter: timestamp(notAfter) };
    }),
  };
}
