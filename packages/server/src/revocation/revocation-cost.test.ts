import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SubjectId } from '@portcullis/contract';
import {
  certificateRow,
  openRecords,
  putCertificate,
  putSubject,
  type Records,
  startedAt,
} from '../../test/records.ts';

const rowsPerStatement = 500;

/** Subjects and certificates `from` to `to`, one each; one in two is revoked. */
async function fill({ store }: Records, from: number, to: number): Promise<void> {
  await store.change(async (db) => {
    for (let at = from; at < to; at += rowsPerStatement) {
      const ids = Array.from({ length: Math.min(rowsPerStatement, to - at) }, (_, index) => `device-${at + index}`);
      const row = { kind: 'device', createdAt: startedAt, revision: 0, hosts: null, url: null };
      await db
        .insertInto('subjects')
        .values(ids.map((id) => ({ id, ...row })))
        .execute();
      const standing = (index: number) => (index % 2 === 0 ? 'valid' : 'revoked');
      const certificates = ids.map((id, index) => certificateRow(id, `of ${id}`, { standing: standing(index) }));
      await db.insertInto('certificates').values(certificates).execute();
    }
  });
}

const actor = { actor: 'operator-1' };

/** The fastest of many, so that what else the machine does is not measured. Devices of even number are cut, one after another. */
async function fastestCutMs({ revocation }: Records, first: number, by: 'subject' | 'fingerprint'): Promise<number> {
  let fastest = Number.POSITIVE_INFINITY;
  for (let index = first; index < first + 120; index += 2) {
    const subject = `device-${index}` as SubjectId;
    const { fingerprint } = certificateRow(subject, `of ${subject}`);
    const before = performance.now();
    await revocation.change(actor, { action: 'revoke', ...(by === 'subject' ? { subject } : { fingerprint }) });
    fastest = Math.min(fastest, performance.now() - before);
  }
  return fastest;
}

for (const by of ['subject', 'fingerprint'] as const)
  test(`P11: revoking by ${by} costs the same with 1 000 and with 100 000 certificates, half of them revoked`, async (context) => {
    const records = await openRecords(context);
    await putSubject(records, 'operator-1', 'operator');
    await putCertificate(records, 'operator-1', 'of the operator');
    await fill(records, 0, 1_000);
    await fastestCutMs(records, 200, by);
    const few = await fastestCutMs(records, 400, by);
    await fill(records, 1_000, 100_000);
    await fastestCutMs(records, 50_000, by);
    const many = await fastestCutMs(records, 60_000, by);
    context.diagnostic(`fastest cut: ${few.toFixed(3)} ms with 1 000 certificates, ${many.toFixed(3)} ms with 100 000`);
    assert.ok(many < few * 3 + 1, `${many} ms with 100 000 certificates, ${few} ms with 1 000`);
  });

test('P11: whether another operator is left costs the same, however many devices there are', async (context) => {
  const records = await openRecords(context);
  for (const name of ['operator-1', 'operator-2', 'operator-3']) {
    await putSubject(records, name, 'operator');
    await putCertificate(records, name, `of ${name}`);
  }
  await fill(records, 0, 20_000);
  const before = process.threadCpuUsage();
  await records.revocation.change(actor, { action: 'revoke', subject: 'operator-3' as never });
  const { user, system } = process.threadCpuUsage(before);
  const busyMs = (user + system) / 1_000;
  context.diagnostic(`${busyMs.toFixed(3)} ms of this thread`);
  assert.ok(busyMs < 100, `${busyMs} ms`);
});
