import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmodSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  CertificatesQuery,
  type KeyCredentialCreated,
  KeyCredentialRequest,
  StandingsRequest,
} from '@portcullis/contract';
import { openRecords, putCertificate, putSubject, startedAt } from '../../test/records.ts';
import { lookAtCertificates } from '../alerts/watches.ts';
import { Rounds } from '../archive/archive.ts';
import { fileSeal } from '../keys/keys.ts';
import { deriveContext } from '../oscore/oscore.ts';
import { contextMark } from '../pki/pki.ts';
import { expiringCertificates } from '../revocation/revocation.ts';
import { createLog } from '../telemetry/telemetry.ts';
import { openKeyCredentials } from './key-credentials.ts';

const day = 86_400_000;
const by = { actor: 'ann' };
const idContext = '0102030405060708';

async function open(context: TestContext) {
  const records = await openRecords(context);
  const keyFile = join(records.directory, 'credentials.key');
  const reopened = (system = records.system) =>
    openKeyCredentials({ ...records, system, seal: fileSeal(keyFile, system) });
  const keyCredentials = reopened();
  const create = (subject: string, asked: object = {}) =>
    keyCredentials.create(by, KeyCredentialRequest.parse({ subject, ...asked }));
  const change = (request: object) => records.revocation.change(by, StandingsRequest.parse(request));
  const contextOf = ({ keyId }: Pick<KeyCredentialCreated, 'keyId'>) =>
    keyCredentials.contextOf('gate-1', { keyId, idContext });
  const kept = () => records.store.read((db) => db.selectFrom('keyCredentials').selectAll().execute());
  const list = async (query: object = {}) => (await records.revocation.list(CertificatesQuery.parse(query))).items;
  return { ...records, records, keyFile, reopened, keyCredentials, create, change, contextOf, kept, list };
}

test('a key credential is valid from then on, and gates are told of it as of a certificate', async (context) => {
  const { create, journal, list } = await open(context);
  const told: unknown[] = [];
  journal.onChange(({ subjects }) => told.push(...subjects));
  const made = await create('sensor-1');
  assert.match(`${made.masterSecret} ${made.masterSalt}`, /^[0-9a-f]{32} [0-9a-f]{16}$/);
  const name = createHash('sha256').update('oscore').update(Buffer.from(made.keyId, 'hex')).digest('hex');
  const validity = { notBefore: '2029-12-31T23:00:00.000Z', notAfter: '2039-12-30T00:00:00.000Z' };
  assert.deepEqual(
    [made.fingerprint, made.serverId, made.notAfter, made.attributes, made.replaced],
    [name, '00', validity.notAfter, { status: 'active' }, []],
  );
  assert.deepEqual(told, [
    {
      ...{ subject: 'sensor-1', kind: 'device', attributes: { status: { value: 'active', public: false } } },
      certificates: [{ fingerprint: name, standing: 'valid', ...validity }],
    },
  ]);
  const [{ form, serial, issuer, standing, purpose } = assert.fail('no row')] = await list({ subject: 'sensor-1' });
  assert.deepEqual([form, serial, issuer, standing, purpose], ['oscore', made.keyId, 'oscore', 'valid', 'client']);
});

test('a gate gets the context of the ID context that it names, as the sensor derives it', async (context) => {
  const { create, contextOf } = await open(context);
  const made = await create('sensor-1');
  const context1 = await contextOf(made);
  const bytes = (hex: string) => Buffer.from(hex, 'hex');
  const sensor = deriveContext({
    ...{ masterSecret: bytes(made.masterSecret), salt: bytes(made.masterSalt), idContext: bytes(idContext) },
    ...{ senderId: bytes(made.keyId), recipientId: bytes(made.serverId) },
  });
  assert.deepEqual(context1, {
    ...{ fingerprint: made.fingerprint, senderId: made.serverId, recipientId: made.keyId, notAfter: made.notAfter },
    senderKey: sensor.recipientKey.toString('hex'),
    recipientKey: sensor.senderKey.toString('hex'),
    commonIv: sensor.commonIv.toString('hex'),
  });
  assert.ok(!JSON.stringify(context1).includes(made.masterSecret));
});

test('one gate is given no context that another made: what a thief has of it poses as no sensor elsewhere', async (context) => {
  const { create, keyCredentials } = await open(context);
  const { keyId } = await create('sensor-1');
  const made = (gate: string, bytes: number) =>
    Buffer.concat([contextMark(gate), Buffer.alloc(bytes - 4, 7)]).toString('hex');
  for (const bytes of [17, 24, 32]) {
    await keyCredentials.contextOf('gate-1', { keyId, idContext: made('gate-1', bytes) });
    await assert.rejects(keyCredentials.contextOf('gate-2', { keyId, idContext: made('gate-1', bytes) }), {
      ...{ code: 'id_context_not_allowed', message: 'the ID context is not one that "gate-2" made' },
    });
  }
  await keyCredentials.contextOf('gate-2', { keyId, idContext: made('gate-1', 16) });
  assert.deepEqual(Object.fromEntries(keyCredentials.outcomes()), { given: 4, refused: 3 });
});

test('a context is given of what is valid alone; unknown, cut and ended ones are told by the same words', async (context) => {
  const { create, contextOf, change, clock, keyCredentials } = await open(context);
  const made = await create('sensor-1');
  const refused = (keyId: string) =>
    assert.rejects(contextOf({ keyId } as never), {
      ...{ code: 'key_credential_unknown', detail: {} },
      message: `the fleet has no key credential "${keyId}" that is valid`,
    });
  await refused('ffffff');
  await change({ action: 'suspend', subject: 'sensor-1' });
  await refused(made.keyId);
  await change({ action: 'resume', fingerprint: made.fingerprint });
  await contextOf(made);
  clock.now = startedAt + 3_650 * day + 1;
  await refused(made.keyId);
  clock.now = startedAt - 3_600_001;
  await refused(made.keyId);
  clock.now = startedAt;
  await contextOf(made);
  await change({ action: 'revoke', fingerprint: made.fingerprint });
  await refused(made.keyId);
  assert.deepEqual(keyCredentials.outcomes(), [
    ['given', 2],
    ['refused', 5],
  ]);
});

test('the secret is nowhere in the clear, and is kept no more once its credential is final', async (context) => {
  const { create, change, kept, journal, keyFile, directory } = await open(context);
  const [one, two, three] = [await create('sensor-1'), await create('sensor-2'), await create('sensor-3')];
  assert.equal((await kept()).length, 3);
  assert.equal(statSync(keyFile).mode & 0o777, 0o600);
  const bytes = ['store.db', 'store.db-wal'].map((file) => readFileSync(join(directory, file)));
  const entries = JSON.stringify(await journal.entries(0, 100));
  for (const { masterSecret, masterSalt } of [one, two, three]) {
    for (const secret of [masterSecret, masterSalt]) {
      assert.ok(!bytes.some((file) => file.includes(secret) || file.includes(Buffer.from(secret, 'hex'))));
      assert.ok(!entries.includes(secret));
    }
  }
  await change({ action: 'suspend', subject: 'sensor-1' });
  await change({ action: 'revoke', subject: 'sensor-2' });
  const next = await create('sensor-3', { replace: true });
  const left = (await kept()).map(({ fingerprint }) => fingerprint);
  assert.deepEqual(left.toSorted(), [one.fingerprint, next.fingerprint].toSorted());
});

test('a subject has one key credential: another supersedes it where it is asked to, at once', async (context) => {
  const { create, contextOf, list } = await open(context);
  const first = await create('sensor-1');
  await assert.rejects(create('sensor-1'), { code: 'key_credential_exists', message: /--replace/ });
  const second = await create('sensor-1', { replace: true });
  assert.deepEqual([second.replaced, second.attributes], [[first.fingerprint], null]);
  assert.notEqual(second.keyId, first.keyId);
  await assert.rejects(contextOf(first), { code: 'key_credential_unknown' });
  await contextOf(second);
  const standings = (await list()).map(({ fingerprint, standing }) => [fingerprint, standing]);
  assert.deepEqual(Object.fromEntries(standings), {
    [first.fingerprint]: 'superseded',
    [second.fingerprint]: 'valid',
  });
});

test('P9: who was cut gets another one only where that is said, and who is held gets none', async (context) => {
  const { create, change, records, revocation, journal } = await open(context);
  await create('sensor-1');
  await change({ action: 'revoke', subject: 'sensor-1' });
  await assert.rejects(create('sensor-1'), { code: 'after_revocation_required', message: /revoked key credential/ });
  await create('sensor-1', { afterRevocation: true });
  await putSubject(records, 'truck-1');
  await putCertificate(records, 'truck-1', 'its certificate', { standing: 'suspended' });
  await assert.rejects(create('truck-1'), { code: 'after_revocation_required', message: /suspended certificate/ });
  await create('sensor-2');
  await journal.change({ actor: 'plant', action: 'signals.apply' }, (one) => revocation.hold(one, 'sensor-2'));
  await assert.rejects(create('sensor-2', { replace: true, afterRevocation: true }), { code: 'standing_held' });
});

test('what cuts a subject cuts both forms, and each by its fingerprint alone', async (context) => {
  const { create, change, records, list } = await open(context);
  const made = await create('sensor-1');
  const certificate = await putCertificate(records, 'sensor-1', 'its certificate');
  const standings = async () => {
    const items = await list({ subject: 'sensor-1' });
    return [made.fingerprint, certificate].map((name) => items.find((one) => one.fingerprint === name)?.standing);
  };
  const done = await change({ action: 'suspend', subject: 'sensor-1' });
  assert.deepEqual(done.fingerprints.toSorted(), [made.fingerprint, certificate].toSorted());
  assert.deepEqual(await standings(), ['suspended', 'suspended']);
  await change({ action: 'resume', fingerprint: certificate });
  assert.deepEqual(await standings(), ['suspended', 'valid']);
  await records.revocation.retire(by, 'sensor-1');
  assert.deepEqual(await standings(), ['revoked', 'revoked']);
});

test('lists are of one form where that is asked for', async (context) => {
  const { create, records, list } = await open(context);
  const { fingerprint } = await create('sensor-1');
  const certificate = await putCertificate(records, 'sensor-1', 'its certificate');
  const named = async (query: object) => (await list(query)).map((one) => one.fingerprint);
  assert.deepEqual(await named({ form: 'oscore' }), [fingerprint]);
  assert.deepEqual(await named({ form: 'certificate' }), [certificate]);
  const endsBefore = new Date(startedAt + 4_000 * day).toISOString();
  assert.deepEqual(await named({ endsBefore }), [certificate, fingerprint]);
  assert.deepEqual(await named({ endsBefore, form: 'oscore' }), [fingerprint]);
});

test('a key credential that lasts hides no certificate that ends', async (context) => {
  const { create, records, revocation } = await open(context);
  await create('sensor-1');
  await putCertificate(records, 'sensor-1', 'its certificate', { notAfter: startedAt + day });
  assert.equal((await revocation.ending(2 * day)).devices, 1);
});

test('a key id is as short as the fleet lets it be, is never used twice, and is not that of the fleet’s side', async (context) => {
  const { records, reopened } = await open(context);
  const draws = ['00', '0a', '0a', '00', '0a0b', '0a', '0a', '0a0b', '0a0b', '0a0b0c'];
  const random = (bytes: number) => {
    if (bytes > 7) return records.system.random(bytes);
    const drawn = Buffer.from(draws.shift() ?? assert.fail('no draw left'), 'hex');
    assert.equal(drawn.length, bytes);
    return drawn;
  };
  const keyCredentials = reopened({
    ...records.system,
    random: (bytes) => (bytes === 8 ? Buffer.alloc(8) : random(bytes)),
  });
  const ids: string[] = [];
  for (const subject of ['a', 'b', 'c']) {
    const { keyId } = await keyCredentials.create(by, KeyCredentialRequest.parse({ subject }));
    ids.push(keyId);
  }
  assert.deepEqual(ids, ['0a', '0a0b', '0a0b0c']);
});

test('without the key that seals them no secret is opened, none is made, and none is lost', async (context) => {
  const { create, contextOf, keyFile, keyCredentials, change } = await open(context);
  const made = await create('sensor-1');
  const text = readFileSync(keyFile, 'utf8');
  const asked = { keyId: made.keyId, idContext };
  const spoilt: [what: () => void, why: RegExp][] = [
    [() => rmSync(keyFile), /can not be read/],
    [() => writeFileSync(keyFile, 'ab\n', { mode: 0o600 }), /64 lower-case hex digits/],
    [() => writeFileSync(keyFile, `${'ab'.repeat(32)}\n`), /is not the one that the store was sealed with/],
    [() => chmodSync(keyFile, 0o644), /has mode 644; it must be 600/],
  ];
  for (const [spoil, why] of spoilt) {
    spoil();
    await assert.rejects(keyCredentials.contextOf('gate-1', asked), { code: 'key_unusable', message: why });
    const request = KeyCredentialRequest.parse({ subject: 'sensor-2' });
    await assert.rejects(keyCredentials.create(by, request), { code: 'key_unusable', message: why });
  }
  rmSync(keyFile);
  writeFileSync(keyFile, text, { mode: 0o600 });
  assert.equal((await contextOf(made)).fingerprint, made.fingerprint);
  rmSync(keyFile);
  await change({ action: 'revoke', subject: 'sensor-1' });
  await contextOf(await create('sensor-2'));
  assert.notEqual(readFileSync(keyFile, 'utf8'), text, 'where nothing is sealed any more there is a key again');
});

test('what secrets are sealed with is there before the first of them, and no other takes its place once there are any', async (context) => {
  const { create, contextOf, keyFile, keyCredentials } = await open(context);
  await keyCredentials.prepare();
  const text = readFileSync(keyFile, 'utf8');
  await keyCredentials.prepare();
  const made = await create('sensor-1');
  assert.equal(readFileSync(keyFile, 'utf8'), text);
  rmSync(keyFile);
  await keyCredentials.prepare();
  await assert.rejects(contextOf(made), { code: 'key_unusable' });
});

test('a sealed secret opens for its own credential alone', async (context) => {
  const { create, contextOf, kept, store } = await open(context);
  const [one, two] = [await create('sensor-1'), await create('sensor-2')];
  const rows = await kept();
  const other = rows.find(({ fingerprint }) => fingerprint === two.fingerprint);
  await store.change((db) =>
    db
      .updateTable('keyCredentials')
      .set({ sealed: other?.sealed ?? assert.fail('it is kept') })
      .where('fingerprint', '=', one.fingerprint)
      .execute(),
  );
  await assert.rejects(contextOf(one), { code: 'key_unusable' });
  await contextOf(two);
});

test('what ended long ago is archived without its secret, and its key id is taken still', async (context) => {
  const { create, kept, list, records, clock } = await open(context);
  const replaced = await create('sensor-1');
  const ended = await create('sensor-2');
  clock.now = startedAt + 3_800 * day;
  const next = await create('sensor-1', { replace: true });
  await putCertificate(records, 'sensor-2', 'its certificate', { notAfter: clock.now + 30 * day });
  const rounds = new Rounds({ ...records, log: createLog({ role: 'authority', level: 'error' }) });
  clock.now += 8 * day;
  for (let isMore = true; isMore; ) isMore = await rounds.step();
  const archived = (await list({ archived: '1' })).map(({ fingerprint }) => fingerprint);
  assert.deepEqual(archived.toSorted(), [replaced.fingerprint, ended.fingerprint].toSorted());
  assert.deepEqual(
    (await kept()).map(({ fingerprint }) => fingerprint),
    [next.fingerprint],
  );
});

test('the end of a key credential rings by its own name', async (context) => {
  const { create, clock, records, store } = await open(context);
  await create('sensor-1');
  clock.now = startedAt + 3_649 * day;
  const asked = { now: clock.now, until: clock.now + 2 * day, limit: 10 };
  const [found] = await store.read((db) => expiringCertificates(db, asked));
  assert.deepEqual([found?.subject, found?.form], ['sensor-1', 'oscore']);
  await lookAtCertificates({
    ...{ ...records, expiring: expiringCertificates, expiringMs: 2 * day, verified: () => undefined },
    log: createLog({ role: 'authority', level: 'error' }),
  });
  const { items } = await records.alerts.list({ limit: 10 } as never);
  assert.match(items[0]?.says ?? '', /^the key credential of device "sensor-1" ends at /);
});
