import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { CertificatesQuery, FeedMessage, type Fingerprint, StandingsRequest } from '@portcullis/contract';
import { pino } from 'pino';
import { openRecords, putCertificate, putSubject, putToken, startedAt, subjectId } from '../../test/records.ts';
import { changeLine } from '../feed/follow.ts';
import { writeSnapshot } from '../feed/snapshot.ts';
import { verifyJournal } from '../journal/journal.ts';
import { Replica } from '../replica/replica.ts';
import { Rounds } from './archive.ts';

const day = 86_400_000;
const by = { actor: 'operator-1' };

async function open(context: TestContext) {
  const records = await openRecords(context);
  await putSubject(records, 'truck-17');
  const put = (name: string, given: object = {}) => putCertificate(records, 'truck-17', name, given);
  const rounds = new Rounds({ ...records, log: pino({ level: 'silent' }) });
  /** Resolves to how many steps that was. */
  const round = async () => {
    let steps = 1;
    while (await rounds.step()) steps++;
    return steps;
  };
  const { revocation } = records;
  const list = async (query: object) =>
    (await revocation.list(CertificatesQuery.parse(query))).items.map(({ fingerprint }) => fingerprint).toSorted();
  const change = (request: object) => revocation.change(by, StandingsRequest.parse(request));
  return { ...records, records, put, round, list, change };
}

test('certificates that ended are archived, and of each standing the one that ends last stays', async (context) => {
  const { put, round, list } = await open(context);
  const long = startedAt - 91 * day;
  const gone = [
    await put('superseded', { standing: 'superseded', changedAt: startedAt - 8 * day }),
    await put('server', { purpose: 'server', notAfter: startedAt - 8 * day }),
    await put('ended', { notAfter: long }),
    await put('revoked before', { standing: 'revoked', notAfter: long - day }),
    await put('never confirmed', { confirmed: 0, notAfter: long }),
  ];
  const stay = [
    await put('in use'),
    await put('superseded not long ago', { standing: 'superseded', changedAt: startedAt - 6 * day }),
    await put('server of yesterday', { purpose: 'server', notAfter: startedAt - day }),
    await put('can be renewed', { notAfter: startedAt - 89 * day }),
    await put('revoked', { standing: 'revoked', notAfter: long }),
    await put('suspended', { standing: 'suspended', notAfter: long }),
  ];
  assert.equal(await round(), 3);
  assert.deepEqual(await list({}), stay.toSorted());
  assert.deepEqual(await list({ archived: '1' }), gone.toSorted());
  assert.deepEqual(await list({ archived: '1', subject: 'truck-17', standing: 'revoked', kind: 'device' }), [gone[3]]);
  assert.deepEqual(await list({ archived: '1', kind: 'gate' }), []);
  await assert.rejects(list({ archived: '1', endsBefore: new Date(startedAt).toISOString() }), {
    code: 'request_malformed',
  });
});

test('one certificate is found where it was archived, by who asks for it by name alone', async (context) => {
  const { put, round, revocation } = await open(context);
  const old = await put('old', { standing: 'superseded', changedAt: startedAt - 8 * day });
  await round();
  assert.equal(await revocation.find(old), undefined);
  const found = await revocation.findEver(old);
  assert.deepEqual([found?.standing, found?.kind, found?.archivedAt], ['superseded', 'device', startedAt]);
});

test('a long round is many steps: each moves few, and misses none', async (context) => {
  const { records, round, list } = await open(context);
  for (let subject = 0; subject < 30; subject++) {
    const name = `d-${subject}`;
    await putSubject(records, name);
    for (let renewal = 0; renewal < 20; renewal++) {
      const given = renewal === 19 ? {} : { standing: 'superseded', changedAt: startedAt - 8 * day };
      await putCertificate(records, name, `${name} ${renewal}`, given);
    }
  }
  assert.ok((await round()) > (30 * 19) / 32);
  assert.equal((await list({})).length, 30);
  assert.equal((await list({ archived: '1' })).length, 30 * 19);
  assert.equal(await round(), 3);
});

test('P9: what is archived stays what it was, whatever is said of it', async (context) => {
  const { put, round, change, journal, revocation } = await open(context);
  const ended = await put('ended', { notAfter: startedAt - 91 * day });
  await put('in use');
  await round();
  const before = journal.head();
  for (const action of ['suspend', 'revoke']) {
    await assert.rejects(change({ action, fingerprint: ended }), { code: 'standing_final', message: /archived/ });
  }
  assert.deepEqual(journal.head(), before);
  await change({ action: 'revoke', subject: 'truck-17' });
  assert.equal((await revocation.findEver(ended))?.standing, 'valid');
});

test('P12: the journal is whole after a round, which is no entry of it', async (context) => {
  const { put, round, store, journal } = await open(context);
  await put('ended', { standing: 'superseded', changedAt: startedAt - 8 * day });
  const before = journal.head();
  await round();
  assert.deepEqual(journal.head(), before);
  assert.deepEqual(await verifyJournal(store, []), { entries: before.position });
});

test('tokens are archived a month after they expired, without what could prove a secret', async (context) => {
  const { records, round, clock, store } = await open(context);
  await putToken(records, 'truck-17', 'old');
  clock.now += 31 * day;
  await round();
  const still = async () => (await store.read((db) => db.selectFrom('tokens').select('id').execute())).length;
  assert.equal(await still(), 1);
  clock.now += day + 1;
  await round();
  assert.equal(await still(), 0);
  const archived = await store.read((db) => db.selectFrom('archivedTokens').selectAll().execute());
  assert.deepEqual(
    archived.map((row) => ({ ...row })),
    [
      {
        ...{ id: 'old', subject: 'truck-17', kind: 'device', createdAt: startedAt, expiresAt: startedAt + day },
        ...{ publicKey: null, fingerprint: null, voided: 0, archivedAt: clock.now },
      },
    ],
  );
});

test('a serial goes when its certificate has kept it for a day, and one that was never used stays', async (context) => {
  const { put, round, store } = await open(context);
  await put('recorded', { serial: '0a' });
  await put('archived', { serial: '0b', standing: 'superseded', changedAt: startedAt - 8 * day });
  await put('just now', { serial: '0c' });
  const reserved = (serial: string, reservedAt = startedAt - 2 * day) => ({ issuer: 'issuer', serial, reservedAt });
  const serials = [reserved('0a'), reserved('0b'), reserved('0c', startedAt - 1_000), reserved('0d')];
  const others = Array.from({ length: 600 }, (_, index) => reserved(`1${index}`));
  await store.change((db) =>
    db
      .insertInto('serials')
      .values([...serials, ...others])
      .execute(),
  );
  await round();
  const left = await store.read((db) => db.selectFrom('serials').select('serial').execute());
  assert.deepEqual(
    left.map(({ serial }) => serial).filter((serial) => serial.startsWith('0')),
    ['0c', '0d'],
  );
  assert.equal(left.length, 602);
});

test('a gate that follows and one that takes a snapshot know the same, before a round and after it', async (context) => {
  const { records, clock, put, change, round } = await open(context);
  await putSubject(records, 'truck-18');
  const names: Fingerprint[] = [
    await put('superseded', { standing: 'superseded', changedAt: startedAt - 1_000 }),
    await put('ended', { notAfter: startedAt + day, standing: 'valid' }),
    await put('cut', { notAfter: startedAt + 200 * day }),
    await putCertificate(records, 'truck-18', 'in use', { notAfter: startedAt + 200 * day }),
  ];
  const taking = async () => {
    const replica = new Replica();
    const parts = { fleet: 'fleet-1', names: new Set<string>(), now: clock.now };
    await writeSnapshot(records, parts, async (line) => void replica.receive(FeedMessage.parse(JSON.parse(line))));
    return replica;
  };
  const following = await taking();
  assert.equal(following.certificates, 4);
  const { revision } = await change({ action: 'revoke', fingerprint: names[2] });
  for (const record of await records.journal.changes(revision - 1, 10)) {
    const message = FeedMessage.parse(JSON.parse(changeLine(record, { names: new Set(), inParts: true })));
    assert.equal(following.receive(message).outcome, 'applied');
  }
  clock.now += 100 * day;
  following.tend(clock.now);
  const before = await taking();
  await round();
  const after = await taking();
  const known = (replica: Replica) =>
    names.map((name) => {
      const row = replica.find(Buffer.from(name, 'hex'));
      return row === -1 ? 'unknown' : replica.certificate(row);
    });
  assert.deepEqual(known(following), known(before));
  assert.deepEqual(known(after), known(before));
  assert.deepEqual(
    known(after).map((fact) => (typeof fact === 'string' ? fact : fact.standing)),
    ['unknown', 'unknown', 'revoked', 'valid'],
  );
  assert.equal((await records.revocation.list(CertificatesQuery.parse({ archived: '1' }))).items.length, 1);
  assert.equal((await records.revocation.find(names[2] as Fingerprint))?.subject, subjectId('truck-17'));
});
