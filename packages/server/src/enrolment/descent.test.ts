/** Certificates descend from one another: what cuts one cuts those, and where two lines of descent live somebody has a copied key. */
import assert from 'node:assert/strict';
import { createPrivateKey, sign } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { AlertsQuery, FleetName, firstReleaseBytes, IssuedCredential, StandingsRequest } from '@portcullis/contract';
import { makeKey, makeRequest } from '@portcullis/device';
import { pino } from 'pino';
import { openRecords, subjectId } from '../../test/records.ts';
import { Rounds } from '../archive/archive.ts';
import { makeFleet, openIssuance } from '../issuance/issuance.ts';
import { fileKeys } from '../keys/keys.ts';
import { fromPem, readCertificate } from '../pki/pki.ts';
import { openEnrolment } from './enrolment.ts';

const [minute, day] = [60_000, 86_400_000];
const operator = { actor: 'operator-1' };
const subject = 'truck-1';

interface Held {
  key: string;
  certificate: string;
}

async function open(context: TestContext, profiles: Parameters<typeof openIssuance>[0]['profiles'] = {}) {
  const records = await openRecords(context);
  const { directory, alerts, store, system, clock, journal, attributes, revocation } = records;
  mkdirSync(join(directory, 'keys'));
  const keys = fileKeys(join(directory, 'keys'));
  await makeFleet({ store, keys, system, fleet: FleetName.parse('fleet-1') });
  const issuance = await openIssuance({ store, keys, system, profiles });
  const log = pino({ level: 'silent' });
  const urls = { authorityUrl: 'https://localhost:1', enrolmentUrl: 'https://localhost:2', gates: [] };
  const makeSigningKey = () => {
    const key = makeKey();
    return { key, request: makeRequest(key, 'authority') };
  };
  const parts = { alerts, store, journal, attributes, revocation, issuance, system, log, fleet: 'fleet-1', ...urls };
  const enrolment = openEnrolment({ ...parts, makeKey: makeSigningKey });

  const asked = (key: string) => makeRequest(key, subject).toString('base64');
  const signedBy = (key: string, bytes: Buffer) => sign('sha256', bytes, createPrivateKey(key)).toString('base64');
  const token = async () =>
    (
      await enrolment.createTokens(operator, {
        tokens: [{ subject: subjectId(subject), kind: 'device', expiresSeconds: 3_600, afterRevocation: false }],
      })
    ).tokens[0]?.secret as string;
  const enrol = async (secret: string, key = makeKey()): Promise<Held> => {
    const answer = IssuedCredential.parse(await enrolment.enrol('127.0.0.1', { secret, request: asked(key) }));
    return { key, certificate: answer.certificate };
  };
  const renew = async ({ key: old, certificate }: Held, key = makeKey()): Promise<Held> => {
    const [nonce, request] = [enrolment.nonce(), asked(key)];
    const signature = signedBy(old, firstReleaseBytes('renewal', nonce, request));
    const answer = await enrolment.renew('127.0.0.1', { certificate, nonce, request, signature });
    return { key, certificate: IssuedCredential.parse(answer).certificate };
  };
  const confirm = async ({ key, certificate }: Held) => {
    const nonce = enrolment.nonce();
    const signature = signedBy(key, firstReleaseBytes('confirmation', nonce));
    await enrolment.confirm('127.0.0.1', { certificate, nonce, signature });
  };
  const gates = ({ key, certificate }: Held) => {
    const nonce = enrolment.nonce();
    const signature = signedBy(key, firstReleaseBytes('gates', nonce));
    return enrolment.gates('127.0.0.1', { certificate, nonce, signature });
  };
  const fingerprint = ({ certificate }: Held) =>
    readCertificate(fromPem('CERTIFICATE', certificate)[0] as Buffer).fingerprint;
  const standings = async (...held: Held[]) => {
    const found = [];
    for (const one of held) found.push((await revocation.find(fingerprint(one)))?.standing);
    return found;
  };
  const stand = (action: string, one: Held) =>
    revocation.change(operator, StandingsRequest.parse({ action, fingerprint: fingerprint(one) }));
  const alarms = async () =>
    (await journal.entries(0, 1_000)).filter(({ action }) => action === 'clone_suspected').length;
  const told = async () => (await alerts.list(AlertsQuery.parse({ kind: 'clone_suspected' }))).items.length;
  const count = async () =>
    (await store.read((db) => db.selectFrom('certificates').select('fingerprint').execute())).length;
  /** As the last release left it: valid beside what it was renewed from, and renewed although nobody confirmed it. */
  const leave = async (one: Held, left: { standing?: string; confirmed?: number }) => {
    await store.change((db) =>
      db.updateTable('certificates').set(left).where('fingerprint', '=', fingerprint(one)).execute(),
    );
  };
  /** As after a restore from before it was issued. */
  const forget = async (one: Held) => {
    await store.change((db) => db.deleteFrom('certificates').where('fingerprint', '=', fingerprint(one)).execute());
  };
  const later = (milliseconds: number) => {
    clock.now += milliseconds;
  };
  const endOf = ({ certificate }: Held) => readCertificate(fromPem('CERTIFICATE', certificate)[0] as Buffer).notAfter;
  const laterThanEnd = (one: Held, milliseconds: number) => {
    clock.now = endOf(one) + milliseconds;
  };
  const rounds = new Rounds({ store, system, log, renewableMs: issuance.renewableMsMax });
  const archive = async () => {
    while (await rounds.step());
  };
  const acts = { token, enrol, renew, confirm, gates, stand, leave, forget, later, laterThanEnd, archive };
  return { ...acts, fingerprint, standings, alarms, told, count, journal };
}

/** A device that renewed once and confirmed it. */
async function line(context: TestContext, profiles: Parameters<typeof open>[1] = {}) {
  const fleet = await open(context, profiles);
  const first = await fleet.enrol(await fleet.token());
  const second = await fleet.renew(first);
  await fleet.confirm(second);
  fleet.later(2 * day);
  return { ...fleet, first, second };
}

for (const action of ['suspend', 'revoke']) {
  test(`P9: to ${action} a certificate by its fingerprint takes along what was renewed from it, and says so`, async (context) => {
    const { renew, stand, standings, fingerprint, first, second } = await line(context);
    const third = await renew(second);
    const { fingerprints } = await stand(action, first);
    assert.deepEqual([...fingerprints].sort(), [fingerprint(second), fingerprint(third)].sort());
    const cut = action === 'revoke' ? 'revoked' : 'suspended';
    assert.deepEqual(await standings(first, second, third), ['superseded', cut, cut]);
    await assert.rejects(renew(second), { code: 'renewal_refused' });
  });
}

test('what is cut by its fingerprint takes no ancestor and no other enrolment along', async (context) => {
  const { enrol, token, renew, stand, standings, first, second } = await line(context);
  const other = await enrol(await token());
  const third = await renew(second);
  await stand('revoke', third);
  assert.deepEqual(await standings(first, second, third, other), ['superseded', 'valid', 'revoked', 'valid']);
});

test('of a certificate that is on no record it is said, and the one before it gets another for the same key', async (context) => {
  const { renew, confirm, gates, forget, standings, first, second } = await line(context);
  const third = await renew(second);
  assert.equal((await renew(second, third.key)).certificate, third.certificate, 'what is known is the same');
  await forget(third);
  for (const ask of [() => renew(third), () => confirm(third), () => gates(third)])
    await assert.rejects(ask(), { code: 'certificate_unknown' });
  const again = await renew(second, third.key);
  assert.notEqual(again.certificate, third.certificate);
  await confirm(again);
  assert.deepEqual(await standings(first, second, again), ['superseded', 'superseded', 'valid']);
});

test('a certificate that nobody confirmed renews nothing', async (context) => {
  const { renew, confirm, later, second, count } = await line(context);
  const third = await renew(second);
  later(2 * day);
  const before = await count();
  await assert.rejects(renew(third), { code: 'renewal_unconfirmed' });
  assert.equal(await count(), before);
  await confirm(third);
  await renew(third);
});

test('a certificate that is presented is exactly one in PEM, and nothing after it', async (context) => {
  const { enrol, token, renew, confirm, count, gates } = await open(context);
  const held = await enrol(await token());
  const malformed = { code: 'request_malformed', message: /exactly one in PEM, and nothing after it/ };
  const { key, certificate } = held;
  const twice = certificate + certificate;
  for (const other of [twice, `${certificate}x`, certificate.slice(0, -9), '']) {
    await assert.rejects(renew({ key, certificate: other }), malformed);
    await assert.rejects(confirm({ key, certificate: other }), malformed);
    await assert.rejects(gates({ key, certificate: other }), malformed);
  }
  assert.equal(await count(), 1);
  await renew({ key, certificate: certificate.replaceAll('\n', '\r\n') });
  assert.equal(await count(), 2);
});

test('a confirmation supersedes every ancestor, also where the last release left several valid', async (context) => {
  const { renew, confirm, leave, standings, alarms, first, second } = await line(context);
  const third = await renew(second);
  await leave(first, { standing: 'valid' });
  await leave(second, { confirmed: 0 });
  await confirm(third);
  assert.deepEqual(await standings(first, second, third), ['superseded', 'superseded', 'valid']);
  assert.equal(await alarms(), 0, 'one line of descent is nobody else');
});

test('two living lines of descent raise an alarm, and the one that is confirmed last stays', async (context) => {
  const { renew, confirm, later, leave, standings, alarms, told, first, second } = await line(context);
  await leave(first, { standing: 'valid' });
  const other = await renew(first);
  assert.equal(await alarms(), 0);
  await confirm(other);
  assert.deepEqual(await standings(first, second, other), ['superseded', 'superseded', 'valid']);
  assert.equal(await alarms(), 1);
  later(2 * minute);
  await assert.rejects(confirm(second), { code: 'renewal_refused' });
  assert.equal(await alarms(), 2, 'who holds the other one is heard of too');
  assert.equal(await told(), 1, 'the outside is told once a day of one certificate');
});

test('a successor whose place another key took can not be confirmed, and who tries is a copy', async (context) => {
  const { renew, confirm, later, standings, alarms, second } = await line(context);
  const taken = await renew(second);
  later(2 * day);
  const third = await renew(second);
  assert.deepEqual(await standings(taken, third), ['superseded', 'valid']);
  await assert.rejects(confirm(taken), { code: 'renewal_refused' });
  assert.equal(await alarms(), 1);
});

test('the same renewal twice at once is one certificate and one answer, and so later', async (context) => {
  const { renew, confirm, count, alarms, journal, second } = await line(context);
  const [before, revision, key] = [await count(), journal.head().revision, makeKey()];
  const made = await Promise.all([renew(second, key), renew(second, key), renew(second, key)]);
  assert.deepEqual(new Set(made.map(({ certificate }) => certificate)).size, 1);
  assert.deepEqual([await count(), journal.head().revision], [before + 1, revision + 1]);
  const [third] = made;
  await confirm(third);
  assert.deepEqual(await renew(second, key), third, 'an answer that was lost until after the confirmation is no copy');
  assert.equal(await alarms(), 0);
});

test('the same enrolment twice at once is one certificate and one answer, and with another key none', async (context) => {
  const { token, enrol, count } = await open(context);
  const [secret, key] = [await token(), makeKey()];
  const made = await Promise.all([enrol(secret, key), enrol(secret, key), enrol(secret, key)]);
  assert.equal(new Set(made.map(({ certificate }) => certificate)).size, 1);
  assert.equal(await count(), 1);
  await assert.rejects(enrol(secret), { code: 'token_refused' });
});

test('the same confirmation twice at once is one revision', async (context) => {
  const { renew, confirm, journal, second } = await line(context);
  const third = await renew(second);
  const before = journal.head().revision;
  await Promise.all([confirm(third), confirm(third)]);
  await confirm(third);
  assert.equal(journal.head().revision, before + 1);
});

test('a subject gets one renewed certificate in a 24th of its lifetime, whichever of its keys asks', async (context) => {
  const { renew, confirm, later, count, second } = await line(context);
  const third = await renew(second);
  const before = await count();
  const tooSoon = { code: 'renewal_too_soon' };
  for (let times = 0; times < 5; times++) await assert.rejects(renew(second), tooSoon);
  await confirm(third);
  await assert.rejects(renew(third), tooSoon);
  assert.equal(await count(), before);
  later(day);
  await assert.rejects(renew(third), tooSoon);
  later(7 * 3_600_000);
  await renew(third);
});

test('of many renewals at once with keys of their own one is given', async (context) => {
  const { renew, count, second } = await line(context);
  const before = await count();
  const asked = await Promise.allSettled(Array.from({ length: 8 }, () => renew(second)));
  assert.equal(asked.filter(({ status }) => status === 'fulfilled').length, 1);
  assert.equal(await count(), before + 1);
});

test('a clock that was set back keeps nobody from renewing, and nobody renews as often as he likes by it', async (context) => {
  const { renew, confirm, later, second } = await line(context);
  const third = await renew(second);
  await confirm(third);
  later(-minute);
  await renew(third);
  await assert.rejects(renew(third), { code: 'renewal_too_soon' });
});

for (const [days, profiles] of [
  [90, {}],
  [400, { device: { renewableDays: 400 }, gateway: { renewableDays: 1 } }],
  [0, { device: { renewableDays: 0 } }],
] as const) {
  test(`a certificate renews until ${days} days after its end, as its kind's profile says, and never later`, async (context) => {
    const { enrol, token, renew, laterThanEnd } = await open(context, profiles);
    const held = await enrol(await token());
    laterThanEnd(held, days * day + 1);
    await assert.rejects(renew(held), { code: 'renewal_refused', message: /expired too long ago; enrol again/ });
    laterThanEnd(held, days * day);
    assert.ok((await renew(held)).certificate);
  });
}

test('P9: however long the window, what was suspended, revoked or superseded renews nothing in it', async (context) => {
  const { renew, stand, standings, laterThanEnd, archive, first, second } = await line(context, {
    device: { renewableDays: 3_650 },
  });
  for (const [action, standing] of [
    ['suspend', 'suspended'],
    ['revoke', 'revoked'],
  ] as const) {
    await stand(action, second);
    laterThanEnd(second, 200 * day);
    await archive();
    assert.deepEqual(await standings(second), [standing]);
    await assert.rejects(renew(second), {
      code: 'renewal_refused',
      message: new RegExp(`its standing is ${standing}`),
    });
    await assert.rejects(renew(first), { code: 'renewal_refused' });
  }
});

test('what may be renewed still is not archived, also beside a later one', async (context) => {
  const { enrol, token, renew, archive, standings, laterThanEnd } = await open(context, {
    device: { renewableDays: 400 },
  });
  const held = await enrol(await token());
  laterThanEnd(held, 399 * day);
  const later = await enrol(await token());
  await archive();
  assert.deepEqual(await standings(held, later), ['valid', 'valid']);
  assert.ok((await renew(held)).certificate);
});

/** A device whose first and second certificates are archived, and the third is in use. */
async function archivedLine(context: TestContext) {
  const fleet = await line(context);
  const third = await fleet.renew(fleet.second);
  await fleet.confirm(third);
  fleet.later(8 * day);
  await fleet.archive();
  assert.deepEqual(await fleet.standings(fleet.first, fleet.second, third), [undefined, undefined, 'valid']);
  return { ...fleet, third };
}

test('P9: an archived certificate renews nothing, is not confirmed, and who tries is a copy', async (context) => {
  const { renew, confirm, later, count, alarms, second } = await archivedLine(context);
  const before = await count();
  await assert.rejects(renew(second), { code: 'renewal_refused' });
  assert.equal(await alarms(), 1);
  later(2 * minute);
  await assert.rejects(confirm(second), { code: 'renewal_refused' });
  assert.equal(await alarms(), 2);
  assert.equal(await count(), before);
});

test('P9: a clock that was set back revives no archived certificate', async (context) => {
  const { enrol, token, renew, confirm, later, archive, standings, second } = await line(context);
  const other = await enrol(await token());
  later(130 * day);
  const last = await enrol(await token());
  await archive();
  assert.deepEqual(await standings(second, other, last), [undefined, undefined, 'valid']);
  later(-130 * day);
  await assert.rejects(renew(other), { code: 'renewal_refused' });
  await assert.rejects(confirm(other), { code: 'renewal_refused' });
});

test('an answer that was lost until its certificate was archived is given again, and is no copy', async (context) => {
  const { renew, alarms, second, third } = await archivedLine(context);
  assert.deepEqual(await renew(second, third.key), third);
  assert.equal(await alarms(), 0);
});

test('P9: an archived certificate names all that descend from it, through archived ones too', async (context) => {
  const { renew, confirm, later, archive, stand, standings, fingerprint, first, third } = await archivedLine(context);
  const fourth = await renew(third);
  await confirm(fourth);
  later(8 * day);
  await archive();
  assert.deepEqual(await standings(third), [undefined]);
  const { fingerprints } = await stand('suspend', first);
  assert.deepEqual(fingerprints, [fingerprint(fourth)]);
  assert.deepEqual(await standings(fourth), ['suspended']);
});

test('two lines of descent from an archived certificate are seen to be one too many', async (context) => {
  const { renew, confirm, leave, later, archive, standings, alarms, second } = await line(context);
  const third = await renew(second);
  await confirm(third);
  await leave(second, { standing: 'valid' });
  later(2 * day);
  const other = await renew(second);
  await leave(third, { standing: 'valid' });
  await leave(second, { standing: 'superseded' });
  later(8 * day);
  await archive();
  assert.deepEqual(await standings(second), [undefined]);
  await confirm(other);
  assert.deepEqual(await standings(third, other), ['superseded', 'valid']);
  assert.equal(await alarms(), 1);
});

test('a token after a revocation needs to be asked for also when the revoked certificate ended long ago', async (context) => {
  const { token, stand, later, archive, standings, second } = await line(context);
  await stand('revoke', second);
  later(200 * day);
  await archive();
  assert.deepEqual(await standings(second), ['revoked']);
  await assert.rejects(token(), { code: 'after_revocation_required' });
});
