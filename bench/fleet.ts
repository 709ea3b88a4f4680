/** A large fleet on a stopped store: subjects, attributes and certificates by changes of the journal, each as large as one of an import. */
import { createHash } from 'node:crypto';
import { assembleRecords, type Records } from '../packages/server/src/assemble.ts';
import { loadFleetConfig } from '../packages/server/src/config/config.ts';
import type { ChangeTransaction } from '../packages/server/src/journal/journal.ts';

const perInsert = 500;
const perChange = 1_000;
const year = 365 * 86_400_000;

/** On a stopped store. The certificates are rows alone: nobody holds their keys. `issuer`: its common name. */
export async function fillFleet(directory: string, count: number, issuer = 'bench'): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const records: Records = await assembleRecords(directory, loadFleetConfig(directory), stack);
  for (let begin = 0; begin < count; begin += perChange) {
    const end = Math.min(count, begin + perChange);
    await records.journal.change({ actor: 'operator-1', action: 'bench.fill' }, async (change) => {
      for (let from = begin; from < end; from += perInsert)
        await insert(change, { from, to: Math.min(end, from + perInsert), issuer });
    });
  }
}

async function insert(
  change: ChangeTransaction,
  { from, to, issuer }: { from: number; to: number; issuer: string },
): Promise<void> {
  const { db, revision, at, actor } = change;
  const numbers = Array.from({ length: to - from }, (_, index) => from + index);
  const changed = { revision, changedAt: at, changedBy: actor, reason: null };
  const certificates = numbers.map((number) => {
    const fingerprint = fingerprintOf(number);
    const validity = { notBefore: at - year, notAfter: at + year };
    change.attribute(idOf(number), 'device', 'status', 'active', false);
    change.certificate(idOf(number), 'device', { fingerprint, standing: 'valid', ...validity });
    return {
      ...{ fingerprint, serial: serialOf(number), issuer, subject: idOf(number), purpose: 'client' },
      ...{
        form: 'certificate',
        der: Buffer.alloc(0),
        ...validity,
        standing: 'valid',
        ...changed,
        issuedAt: at,
        renews: null,
        confirmed: 1,
      },
      publicKey: fingerprint,
    };
  });
  const subjects = numbers.map((number) => ({
    id: idOf(number),
    kind: 'device',
    createdAt: at,
    revision,
    hosts: null,
    url: null,
  }));
  const value = { name: 'status', value: '"active"', visibility: 'private', ...changed };
  await db.insertInto('subjects').values(subjects).execute();
  await db
    .insertInto('attributes')
    .values(numbers.map((number) => ({ subject: idOf(number), ...value })))
    .execute();
  await db.insertInto('certificates').values(certificates).execute();
}

export const idOf = (number: number) => `bench-${number}`;
const fingerprintOf = (number: number) => createHash('sha256').update(`bench ${number}`).digest('hex');
/** In hex. */
export const serialOf = (number: number) => fingerprintOf(number).slice(0, 32);
