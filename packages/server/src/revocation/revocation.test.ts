import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CertificateView, type Fingerprint, StandingsRequest } from '@portcullis/contract';
import {
  openRecords,
  putCertificate,
  putSubject,
  putToken,
  type Records,
  startedAt,
  subjectId,
  voided,
} from '../../test/records.ts';

const by = { actor: 'operator-1', reason: 'stolen' };
const unknown = 'f'.repeat(64);

const change = (records: Records, request: unknown) => records.revocation.change(by, StandingsRequest.parse(request));

const standing = async ({ revocation }: Records, fingerprint: Fingerprint) =>
  (await revocation.find(fingerprint))?.standing;

/** A fleet with an operator and a device that has one certificate. */
async function fleet(records: Records): Promise<{ operator: Fingerprint; device: Fingerprint }> {
  await putSubject(records, 'operator-1', 'operator');
  await putSubject(records, 'truck-17');
  const operator = await putCertificate(records, 'operator-1', 'of the operator');
  return { operator, device: await putCertificate(records, 'truck-17', 'of the device') };
}

/** From each standing, what each action leaves, or the failure that it is. */
const transitions: [string, 'suspend' | 'resume' | 'revoke', string][] = [
  ['valid', 'suspend', 'suspended'],
  ['valid', 'resume', 'valid'],
  ['valid', 'revoke', 'revoked'],
  ['suspended', 'suspend', 'suspended'],
  ['suspended', 'resume', 'valid'],
  ['suspended', 'revoke', 'revoked'],
  ['revoked', 'suspend', 'standing_final'],
  ['revoked', 'resume', 'standing_final'],
  ['revoked', 'revoke', 'revoked'],
  ['superseded', 'suspend', 'standing_final'],
  ['superseded', 'resume', 'standing_final'],
  ['superseded', 'revoke', 'standing_final'],
];

for (const way of ['subject', 'fingerprint'] as const) {
  for (const [from, action, result] of transitions) {
    test(`P9: to ${action} a ${from} certificate by ${way} ends in ${result}`, async (context) => {
      const records = await openRecords(context);
      await fleet(records);
      await putSubject(records, 'd');
      const fingerprint = await putCertificate(records, 'd', 'x', { standing: from });
      const before = records.journal.head().revision;
      const asked = change(records, way === 'subject' ? { action, subject: 'd' } : { action, fingerprint });
      if (result === 'standing_final') {
        await assert.rejects(asked, { code: 'standing_final' });
        assert.equal(await standing(records, fingerprint), from);
        assert.equal(records.journal.head().revision, before);
        return;
      }
      const { revision, changed, fingerprints } = await asked;
      assert.equal(revision, from === result ? before : before + 1);
      assert.equal(records.journal.head().revision, revision);
      assert.deepEqual(fingerprints, from === result ? [] : [fingerprint]);
      assert.equal(changed, fingerprints.length);
      assert.equal(await standing(records, fingerprint), result);
    });
  }
}

test('a cut says who, when, why, at which revision, and tells gates so in that revision', async (context) => {
  const records = await openRecords(context);
  const { device } = await fleet(records);
  records.clock.now += 1_000;
  const { revision } = await change(records, { action: 'suspend', subject: 'truck-17' });
  const row = await records.revocation.find(device);
  assert.deepEqual(
    [row?.revision, row?.changedAt, row?.changedBy, row?.reason],
    [revision, startedAt + 1_000, 'operator-1', 'stolen'],
  );
  const record = await records.journal.changeAt(revision);
  assert.equal(record?.action, 'certificates.suspend');
  assert.deepEqual(
    record?.subjects.map(({ subject, kind, certificates }) => [
      subject,
      kind,
      certificates?.map((one) => [one.fingerprint, one.standing]),
    ]),
    [['truck-17', 'device', [[device, 'suspended']]]],
  );
  assert.equal((await records.attributes.read('truck-17')).revision, revision);
});

test('a subject is cut with all its certificates and pending renewals that are not final', async (context) => {
  const records = await openRecords(context);
  const { device } = await fleet(records);
  const pending = await putCertificate(records, 'truck-17', 'pending', { renews: device, confirmed: 0 });
  const old = await putCertificate(records, 'truck-17', 'old', { standing: 'superseded' });
  const server = await putCertificate(records, 'truck-17', 'server', { purpose: 'server' });
  const { fingerprints, revision } = await change(records, { action: 'revoke', subject: 'truck-17' });
  assert.deepEqual(fingerprints.toSorted(), [device, pending, server].toSorted());
  assert.equal(await standing(records, old), 'superseded');
  const told = (await records.journal.changeAt(revision))?.subjects[0]?.certificates?.map((one) => one.fingerprint);
  assert.deepEqual(told?.toSorted(), [device, pending].toSorted());
});

test('a fingerprint names one certificate and leaves the others', async (context) => {
  const records = await openRecords(context);
  const { device } = await fleet(records);
  const other = await putCertificate(records, 'truck-17', 'other');
  await change(records, { action: 'suspend', fingerprint: device });
  assert.equal(await standing(records, other), 'valid');
});

test('A9: suspending is undone by resuming; what was revoked meanwhile stays revoked', async (context) => {
  const records = await openRecords(context);
  const { device } = await fleet(records);
  const other = await putCertificate(records, 'truck-17', 'other');
  await change(records, { action: 'suspend', subject: 'truck-17' });
  await change(records, { action: 'revoke', fingerprint: other });
  const { fingerprints } = await change(records, { action: 'resume', subject: 'truck-17' });
  assert.deepEqual(fingerprints, [device]);
  assert.equal(await standing(records, other), 'revoked');
});

for (const action of ['suspend', 'revoke'] as const) {
  test(`to ${action} a subject voids its tokens, and resuming does not bring them back`, async (context) => {
    const records = await openRecords(context);
    await fleet(records);
    await putToken(records, 'truck-17', 'its own');
    await putToken(records, 'operator-1', 'of another');
    await change(records, { action, subject: 'truck-17' });
    assert.equal(await voided(records, 'its own'), true);
    assert.equal(await voided(records, 'of another'), false);
    if (action === 'suspend') await change(records, { action: 'resume', subject: 'truck-17' });
    assert.equal(await voided(records, 'its own'), true);
  });

  test(`to ${action} a subject that has a token and no certificate yet voids the token`, async (context) => {
    const records = await openRecords(context);
    await fleet(records);
    await putSubject(records, 'new');
    await putToken(records, 'new', 'first');
    const { fingerprints } = await change(records, { action, subject: 'new' });
    assert.deepEqual(fingerprints, []);
    assert.equal(await voided(records, 'first'), true);
  });

  test(`to ${action} a subject whose certificates are all final still voids a later token`, async (context) => {
    const records = await openRecords(context);
    await fleet(records);
    await putSubject(records, 'back');
    await putCertificate(records, 'back', 'cut', { standing: action === 'suspend' ? 'revoked' : 'superseded' });
    await putToken(records, 'back', 'after revocation');
    await change(records, { action, subject: 'back' });
    assert.equal(await voided(records, 'after revocation'), true);
  });
}

test('P9: superseding never takes the place of a revocation', async (context) => {
  const records = await openRecords(context);
  const { device } = await fleet(records);
  const stale = await records.revocation.find(device);
  assert.ok(stale);
  await change(records, { action: 'revoke', fingerprint: device });
  const { revision } = await records.journal.change(
    { actor: 'truck-17', action: 'certificates.confirm' },
    (transaction) => records.revocation.supersede(transaction, stale),
  );
  assert.equal(await standing(records, device), 'revoked');
  assert.deepEqual((await records.journal.changeAt(revision))?.subjects, []);
});

test('a valid certificate is superseded within the revision of its successor', async (context) => {
  const records = await openRecords(context);
  const { device } = await fleet(records);
  const row = await records.revocation.find(device);
  assert.ok(row);
  await records.journal.change({ actor: 'truck-17', action: 'certificates.confirm' }, (transaction) =>
    records.revocation.supersede(transaction, row),
  );
  assert.equal(await standing(records, device), 'superseded');
});

const refused: [string, unknown, string][] = [
  ['a subject that is not there', { action: 'revoke', subject: 'nobody' }, 'subject_unknown'],
  ['a certificate that is not there', { action: 'revoke', fingerprint: unknown }, 'certificate_unknown'],
  ['nothing', { action: 'revoke' }, 'request_malformed'],
  ['both', { action: 'revoke', subject: 'truck-17', fingerprint: unknown }, 'request_malformed'],
];
for (const [what, request, code] of refused) {
  test(`a request that names ${what} is refused as ${code}`, async (context) => {
    const records = await openRecords(context);
    const { device } = await fleet(records);
    const before = records.journal.head();
    await assert.rejects(change(records, request), { code });
    assert.deepEqual(records.journal.head(), before);
    assert.equal(await standing(records, device), 'valid');
  });
}

const lastOperators: [string, (records: Records) => Promise<unknown>][] = [
  ['there is no other', async () => undefined],
  ['the other is suspended', (records) => putCertificate(records, 'operator-2', 'two', { standing: 'suspended' })],
  ['the other is expired', (records) => putCertificate(records, 'operator-2', 'two', { notAfter: startedAt })],
  ['the other is pending', (records) => putCertificate(records, 'operator-2', 'two', { confirmed: 0 })],
];
for (const [what, prepare] of lastOperators) {
  for (const action of ['suspend', 'revoke', 'retire'] as const) {
    test(`the last operator can not be cut: to ${action} when ${what} is refused and changes nothing`, async (context) => {
      const records = await openRecords(context);
      const { operator } = await fleet(records);
      await putSubject(records, 'operator-2', 'operator');
      await putToken(records, 'operator-1', 'token', 'operator');
      await prepare(records);
      const cut =
        action === 'retire'
          ? records.revocation.retire(by, 'operator-1')
          : change(records, { action, subject: 'operator-1' });
      await assert.rejects(cut, { code: 'last_operator' });
      assert.equal(await standing(records, operator), 'valid');
      assert.equal(await voided(records, 'token'), false);
    });
  }
}

test('an operator can be cut while another one is valid, also by two certificates of his own', async (context) => {
  const records = await openRecords(context);
  const { operator } = await fleet(records);
  await putCertificate(records, 'operator-1', 'second');
  await change(records, { action: 'revoke', fingerprint: operator });
  await putSubject(records, 'operator-2', 'operator');
  await putCertificate(records, 'operator-2', 'two');
  await change(records, { action: 'revoke', subject: 'operator-1' });
});

test('where no operator is valid any more, devices can still be cut', async (context) => {
  const records = await openRecords(context);
  const { device } = await fleet(records);
  records.clock.now += 365 * 86_400_000;
  await change(records, { action: 'revoke', subject: 'truck-17' });
  assert.equal(await standing(records, device), 'revoked');
});

test('a retired subject has nothing left that could be used, for ever', async (context) => {
  const records = await openRecords(context);
  const { device } = await fleet(records);
  const suspended = await putCertificate(records, 'truck-17', 'suspended', { standing: 'suspended' });
  await putToken(records, 'truck-17', 'token');
  const { fingerprints, revision } = await records.revocation.retire(by, 'truck-17');
  assert.deepEqual(fingerprints.toSorted(), [device, suspended].toSorted());
  assert.equal(await voided(records, 'token'), true);
  const view = await records.attributes.read('truck-17');
  assert.deepEqual([view.retired, view.revision], [true, revision]);
  await assert.rejects(change(records, { action: 'resume', subject: 'truck-17' }), { code: 'standing_final' });
  await assert.rejects(putSubject(records, 'truck-17'), { code: 'subject_retired' });
  await assert.rejects(records.revocation.retire(by, 'nobody'), { code: 'subject_unknown' });
});

test('certificates are listed in pages, of one subject or of all', async (context) => {
  const records = await openRecords(context);
  await fleet(records);
  for (let index = 0; index < 5; index++) await putCertificate(records, 'truck-17', `more ${index}`);
  const read = async (subject?: string) => {
    const items: CertificateView[] = [];
    let after: string | null | undefined;
    while (after !== null) {
      const page = await records.revocation.list({
        subject: subject === undefined ? undefined : subjectId(subject),
        limit: 3,
        after: after ?? undefined,
      });
      items.push(...page.items.map((item) => CertificateView.parse(item)));
      after = page.next;
    }
    return items;
  };
  const all = await read();
  assert.equal(new Set(all.map(({ fingerprint }) => fingerprint)).size, 7);
  assert.deepEqual(
    (await read('truck-17')).map(({ kind }) => kind),
    Array.from({ length: 6 }, () => 'device'),
  );
});

test('what is so already is no revision, and is answered with the one since when it is', async (context) => {
  const records = await openRecords(context);
  await fleet(records);
  const cut = await change(records, { action: 'suspend', subject: 'truck-17' });
  await putSubject(records, 'truck-18');
  const head = records.journal.head();
  const again = await records.revocation.change(
    { actor: 'siem' },
    { action: 'suspend', subject: subjectId('truck-17') },
  );
  assert.deepEqual(again, { revision: cut.revision, changed: 0, fingerprints: [] });
  assert.deepEqual(records.journal.head(), head);
  const retired = await records.revocation.retire(by, 'truck-17');
  assert.deepEqual(await records.revocation.retire(by, 'truck-17'), { ...retired, changed: 0, fingerprints: [] });
});

test('voided tokens alone are a revision that names the subject, though gates are told nothing of it', async (context) => {
  const records = await openRecords(context);
  await fleet(records);
  await putSubject(records, 'new');
  await putToken(records, 'new', 'its own');
  const { revision, changed } = await change(records, { action: 'suspend', subject: 'new' });
  assert.equal(changed, 1);
  assert.deepEqual((await records.journal.changeAt(revision))?.subjects, [{ subject: 'new', kind: 'device' }]);
  assert.equal((await records.attributes.read('new')).revision, revision);
});

test('many subjects are cut in one revision; what is final among them is left', async (context) => {
  const records = await openRecords(context);
  await fleet(records);
  const names = Array.from({ length: 450 }, (_, index) => `d-${index}`);
  for (const name of names) await putSubject(records, name);
  const all = await Promise.all(
    names.map((name, index) => putCertificate(records, name, name, { standing: index === 7 ? 'revoked' : 'valid' })),
  );
  const before = records.journal.head().revision;
  const done = await change(records, { action: 'suspend', subjects: names });
  assert.deepEqual([done.revision, done.changed], [before + 1, 449]);
  const standings = await Promise.all(all.map((fingerprint) => standing(records, fingerprint)));
  assert.deepEqual(new Set(standings.toSpliced(7, 1)), new Set(['suspended']));
  assert.equal(standings[7], 'revoked');
  await assert.rejects(change(records, { action: 'suspend', subjects: ['d-1', 'nobody'] }), {
    code: 'subject_unknown',
  });
  await assert.rejects(change(records, { action: 'suspend', subjects: ['operator-1', 'd-1'] }), {
    code: 'last_operator',
  });
});

test('why it is revoked stays with the certificate and in the journal, and is for revoke alone', async (context) => {
  const records = await openRecords(context);
  await putSubject(records, 'truck-1');
  const fingerprint = await putCertificate(records, 'truck-1', 'one');
  const { revocation, journal } = records;
  const asked = { subject: subjectId('truck-1'), reasonCode: 'keyCompromise' } as const;
  const by = { actor: 'operator-1' };
  for (const action of ['suspend', 'resume'] as const)
    await assert.rejects(revocation.change(by, { ...asked, action } as never), {
      code: 'request_malformed',
      message: /revoke/,
    });
  const { revision } = await revocation.change(by, { ...asked, action: 'revoke' } as never);
  assert.equal((await revocation.find(fingerprint))?.reasonCode, 'keyCompromise');
  assert.deepEqual((await journal.changeAt(revision))?.about, { reasonCode: 'keyCompromise' });
  const other = { ...asked, reasonCode: 'superseded', action: 'revoke' };
  await revocation.change(by, other as never);
  assert.equal((await revocation.find(fingerprint))?.reasonCode, 'keyCompromise', 'what is final stays as it is');
});
