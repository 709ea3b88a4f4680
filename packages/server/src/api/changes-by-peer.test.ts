import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Kind } from '@portcullis/contract';
import { FleetCertificates } from '../../test/fleet-certificates.ts';
import { openRecords, putCertificate, putSubject, putToken, type Records, subjectId } from '../../test/records.ts';
import { coldChain, RuledFleet } from '../../test/ruled-fleet.ts';
import { arrive, ship, shippingOver } from '../../test/shipping.ts';
import { alert, delivery, signalsOver, usualSignals } from '../../test/signals.ts';
import { openAuthorities } from '../authorities/authorities.ts';
import { Buckets } from '../bounds/bounds.ts';
import { openEnrolment } from '../enrolment/enrolment.ts';
import { openImports } from '../imports/imports.ts';
import { usualLifetimes } from '../issuance/issuance.ts';
import { openKeyCredentials } from '../key-credentials/key-credentials.ts';
import { fileKeys, fileSeal } from '../keys/keys.ts';
import { openCodes } from '../publication/codes.ts';
import { openRollovers } from '../rollover/rollover.ts';
import { openSignalIntake } from '../signals/signals.ts';
import { createLog } from '../telemetry/telemetry.ts';
import { byPeer, requireAdmitted } from './peer.ts';
import type { Rooms } from './route.ts';
import { apiRoutes } from './routes.ts';

type Asked = { subject: string; kind: Kind; body: object; params?: object; rollover?: 'trusted' | 'issuing' };

const operator = { subject: 'op-4', kind: 'operator' } as const;
const gate = { subject: 'gate-1', kind: 'gate' } as const;
const desk = { subject: 'desk-1', kind: 'desk' } as const;
const monitor = { subject: 'alertmanager-1', kind: 'monitor' } as const;
const checkpoint = { subject: 'trucker', kind: 'checkpoint' } as const;
const ofBox = { id: 'box-1' };
const because = 'a mistake';
const token = { subject: 'truck-18', kind: 'device', expiresSeconds: 3_600, afterRevocation: false };
const lease = { instance: 'a', applied: 0, hash: '', connectionsClosed: 0, clock: 0, url: 'https://gate:1' };

/** By EST, and not confirmed yet. */
const renewed = 'e'.repeat(64);

const edge = {
  ...{
    id: 'a:1',
    rule: 'cold-chain',
    ruleRevision: 1,
    subject: 'truck-17',
    side: 'inside',
    reading: 'r-1',
    after: null,
  },
  ...{ at: '2030-01-01T00:00:00.000Z', receivedAt: '2030-01-01T00:00:00.000Z', late: false, unproven: false },
};

const firing = JSON.stringify({
  alerts: [
    { status: 'firing', labels: { severity: 'critical', device: 'truck-17', alertname: 'x' }, fingerprint: 'f' },
  ],
});

const { rootPem: authorities } = await FleetCertificates.make();
const { rootPem: ofAnother } = await FleetCertificates.make();
const { rootPem: ofFleet } = await FleetCertificates.make();
const maker = { name: 'maker', kind: 'device', serialBecomes: 'subject', authorities };

/** For each route that puts something on record, who asks for what. */
const requests: Record<string, Asked> = {
  '/v1/attributes': { ...operator, body: { subjects: ['truck-17'], set: { status: 'off' }, unset: [] } },
  '/v1/attribute-types/:name': { ...operator, body: { type: 'string' }, params: { name: 'level' } },
  '/v1/imports': { ...operator, body: { rows: [{ subject: 'truck-99' }] } },
  '/v1/standings': { ...operator, body: { subject: 'truck-17', action: 'suspend' } },
  '/v1/subjects/:id/retire': { ...operator, body: {}, params: { id: 'truck-17' } },
  '/v1/changes/:revision/undo': { ...operator, body: {}, params: { revision: 4 } },
  '/v1/tokens': { ...operator, body: { tokens: [token] } },
  '/v1/key-credentials': { ...operator, body: { subject: 'sensor-1', kind: 'device' } },
  '/v1/gates/:id/reads': { ...operator, body: { reads: ['level'] }, params: { id: 'gate-1' } },
  '/v1/holds/release': { ...operator, body: { subject: 'truck-1', reason: 'looked at it' } },
  '/v1/holds/apply': { ...operator, body: { subject: 'truck-2', reason: 'it is so' } },
  '/v1/factories': { ...operator, body: { ...maker, into: { status: 'pending' } } },
  '/v1/factories/:name/removal': { ...operator, body: {}, params: { name: 'other' } },
  '/v1/approvals': { ...operator, body: { subjects: ['truck-17'], key: 'a'.repeat(64) } },
  '/v1/alerts/retry': { ...operator, body: {} },
  '/v1/alerts/test': { ...operator, body: {} },
  '/v1/breaches/acknowledge': { ...operator, body: { subject: 'truck-17', reason: 'seen' } },
  '/v1/authorities': { ...operator, body: { name: 'second', fingerprint: 'b'.repeat(64), hosts: ['localhost'] } },
  '/v1/authorities/:name/revocation': { ...operator, body: {}, params: { name: 'other' } },
  '/v1/edges': { ...gate, body: { edges: [edge], newest: [], gaps: [] } },
  '/v1/renewals/uses': { ...gate, body: { certificates: [renewed] } },
  '/v1/shipments': { ...operator, body: { shipment: 'box-2', journey: 'vaccine-lane' } },
  '/v1/shipments/:id/arrivals': { ...checkpoint, body: { arrival: 'a-2' }, params: ofBox },
  '/v1/shipments/:id/declarations': {
    ...operator,
    ...{ body: { arrival: 'd-1', step: 'pickup', reason: because }, params: ofBox },
  },
  '/v1/shipments/:id/voidings': { ...operator, body: { arrival: 'a-1', reason: because }, params: ofBox },
  '/v1/shipments/:id/code': { ...operator, body: {}, params: ofBox },
  '/v1/shipments/:id/course': { ...operator, body: { action: 'stop' }, params: ofBox },
  '/v1/tokens/:id/revocation': { ...operator, body: {}, params: { id: 'token-1' } },
  '/v1/server-certificates': { ...gate, body: { request: '' } },
  '/v1/leases': { ...gate, body: lease },
  '/v1/signals/:source': { ...monitor, body: Buffer.from(firing), params: { source: 'mill' } },
  '/v1/publication-certificates': { ...desk, body: { request: '' } },
  '/v1/ocsp-certificates': { ...desk, body: { request: '' } },
  '/v1/rollovers': { ...operator, body: { what: 'device', elsewhere: true } },
  '/v1/rollovers/advance': { ...operator, body: {}, rollover: 'trusted' },
  '/v1/rollovers/retirement': { ...operator, body: {}, rollover: 'issuing' },
  '/v1/rollovers/abandonment': { ...operator, body: {}, rollover: 'trusted' },
};
/** What gates tell of themselves is kept in memory alone. */
/** A desk carries what others ask, who prove it themselves; of its own it puts nothing on record. */
const carried = [
  'enrolments',
  'renewals',
  'renewals/confirmation',
  'renewals/gates',
  'renewals/nonce',
  'report',
  'arrivals',
  'looks',
  'est',
  'time',
];
/** Take what a root has signed: `rollover/` and `revocation/` have their tests. */
const signedElsewhere = ['/v1/rollovers/answer', '/v1/revocation-lists'];
const withoutRecord = [
  ...['/v1/leases/release', '/v1/reports', '/v1/settlements', '/v1/signals/:source/trial'],
  ...carried.map((path) => `/v1/desk/${path}`),
];

const issuance = {
  bundle: { version: 1, roots: '', issuers: '' },
  lifetimes: usualLifetimes,
  issuers: () => [{ fingerprint: '', signer: {}, notAfter: Number.POSITIVE_INFINITY, certificate: ofFleet }],
  check: () => ({}),
  issue: async () => ({ fingerprint: '', pem: '', issuerPem: '', notBefore: 0, notAfter: 0 }),
  recordOwn: async () => undefined,
  renewAfter: () => 0,
  keysOf: () => 'p-256',
};

async function open(context: TestContext, phase?: Asked['rollover']): Promise<Records & { rooms: Rooms }> {
  const records = await openRecords(context);
  for (const id of ['operator-1', 'op-4']) await putSubject(records, id, 'operator', {});
  await putSubject(records, 'gate-1', 'gate', {});
  await putSubject(records, 'truck-17');
  for (const change of [{ set: { level: 1 } }, { unset: ['level'] }]) {
    await records.attributes.change({ actor: 'operator-1' }, { subjects: ['truck-17'], ...change } as never);
  }
  await putToken(records, 'truck-17', 'token-1');
  await records.store.change(async (db) => {
    const asked = {
      sender: 'a',
      request: 'r',
      subject: 'truck-17',
      publicKey: 'a'.repeat(64),
      askedAt: records.clock.now,
      approvedAt: null,
    };
    await db.insertInto('estRequests').values(asked).execute();
    await db.insertInto('estSubjects').values({ subject: 'truck-17', since: 0 }).execute();
    const row = { ...maker, name: 'other', authorities: ofAnother, into: '{}', addedAt: 0, removed: 0 };
    await db.insertInto('factories').values(row).execute();
    await db.insertInto('settings').values({ name: 'bundleVersion', value: '1' }).execute();
    const machine = {
      name: 'other',
      fingerprint: 'c'.repeat(64),
      hosts: '[]',
      approvedAt: 0,
      approvedBy: 'operator-1',
    };
    await db
      .insertInto('authorities')
      .values({ ...machine, revokedAt: null })
      .execute();
    const times = { startedAt: 0, changedAt: 0 };
    const under = { id: 1, what: 'issuer', leaves: '[]', comes: '[]', request: null, bundle: 1, ...times } as const;
    if (phase)
      await db
        .insertInto('rollovers')
        .values({ ...under, phase })
        .execute();
  });
  for (const id of ['operator-1', 'op-4', 'gate-1']) await putCertificate(records, id, id);
  await putCertificate(records, 'truck-17', 'renewed', { fingerprint: renewed as never, confirmed: 0 });
  const log = createLog({ role: 'authority', level: 'error' });
  mkdirSync(join(records.directory, 'keys'));
  const rollovers = await openRollovers({
    ...{ ...records, fleet: 'fleet-1', keys: fileKeys(join(records.directory, 'keys')), log },
    issuance: {
      ...{ ...issuance, issuers: () => [] },
      ...{ counted: () => undefined, reload: async () => undefined, onIssued: () => () => undefined },
    } as never,
    issuers: { perCertificates: 100_000 },
  });
  context.after(() => rollovers[Symbol.asyncDispose]());
  // One that is over its limit, and one that is not.
  const two = usualSignals.replace('1000 in', '1 in') + usualSignals.replace('plant', 'mill');
  const signals = await signalsOver(records, { signals: two });
  context.after(() => signals[Symbol.asyncDispose]());
  await putSubject(records, 'alertmanager-1', 'monitor', {});
  await putSubject(records, 'desk-1', 'desk', {});
  for (const id of ['alertmanager-1', 'desk-1']) await putCertificate(records, id, id);
  const intake = openSignalIntake({
    ...{ directory: '', signals: { mill: { certificate: 'alertmanager-1', format: 'alertmanager', from: [] } } },
    ...{
      receive: signals.receive,
      alerts: { raise: async () => undefined },
      log: createLog({ role: 'authority', level: 'error' }),
    },
    ...{ store: records.store, system: records.system },
  });
  context.after(() => intake[Symbol.asyncDispose]());
  for (const id of ['truck-1', 'truck-2']) await putSubject(records, id);
  await signals.receive('plant', delivery(alert('truck-1'), alert('truck-2')));
  const shipping = await shippingOver(context, records);
  await ship(shipping, 'box-1');
  await arrive(shipping, 'factory', 'box-1', { arrival: 'a-1' });
  await putCertificate(records, 'trucker', 'trucker');
  const { journeys } = shipping;
  const enrolment = openEnrolment({ ...records, issuance, enrolmentUrl: 'https://localhost:1' } as never);
  const seal = fileSeal(join(records.directory, 'credentials.key'), records.system);
  const keyCredentials = openKeyCredentials({ ...records, seal });
  const feed = { renew: async () => 'renewed' };
  const ownRule = { ...coldChain, about: undefined, budget: undefined, on: {} };
  const ruled = await RuledFleet.over(context, records, [ownRule]);
  await ruled.hear('out 0-12', { sender: 'truck-17' });
  await ruled.until(12);
  const { rules } = ruled;
  const serverCertificates = new Buckets({ burst: 60, everyMs: 1_000, monotonic: () => 0 });
  const refusedArrivals = serverCertificates;
  return {
    ...records,
    rooms: {
      ...records,
      authorities: openAuthorities({ ...records, home: records.directory }),
      journeys,
      refusedArrivals,
      codes: openCodes(records),
      imports: openImports({ ...records, fleet: 'fleet-1', issuance } as never),
      signals,
      intake,
      fleet: 'fleet-1',
      enrolment,
      keyCredentials,
      feed,
      rules,
      rollovers,
      issuance,
      hosts: [],
      serverCertificates,
    } as unknown as Rooms,
  };
}

/** All that is on record, but for when it was read. */
const record = ({ store }: Records) =>
  store.read(async (db) => ({
    journal: await db.selectFrom('journal').selectAll().execute(),
    subjects: await db.selectFrom('subjects').selectAll().execute(),
    attributes: await db.selectFrom('attributes').selectAll().execute(),
    attributeTypes: await db.selectFrom('attributeTypes').selectAll().execute(),
    certificates: await db.selectFrom('certificates').selectAll().execute(),
    tokens: await db.selectFrom('tokens').selectAll().execute(),
    ruleEdges: await db.selectFrom('ruleEdges').selectAll().execute(),
  }));

test('every route that takes a body is in one of these lists', () => {
  const routes = apiRoutes.filter(({ method }) => method === 'POST').map(({ path }) => path);
  assert.deepEqual(routes.toSorted(), [...Object.keys(requests), ...signedElsewhere, ...withoutRecord].toSorted());
});

/** How it is asked for, by a certificate that is admitted now; `requestId`: as a retry of each other that has it. */
async function asking(records: Records & { rooms: Rooms }, path: string) {
  const { subject, kind, rollover: _, ...asked } = requests[path] as Asked;
  const row = rowAt(path);
  const [certificate] = (await records.revocation.list({ subject: subjectId(subject), limit: 1 })).items;
  const peer = await requireAdmitted(records, certificate?.fingerprint, [kind]);
  const reply = { code: () => undefined, header: () => undefined };
  const request = { params: asked.params, raw: { headersDistinct: {} } };
  return async (requestId?: string): Promise<unknown> => {
    const by = { ...byPeer(records, peer), ...(requestId && { request: { id: requestId, hash: '' } }) };
    return row?.handle(records.rooms, { ...asked, request, query: {}, reply, peer, by } as never);
  };
}

const rowAt = (path: string) => apiRoutes.find((one) => one.method === 'POST' && one.path === path);

for (const [path, { subject, rollover }] of Object.entries(requests)) {
  test(`P9: ${path} puts nothing on record for a certificate that an earlier revision cut`, async (context) => {
    const records = await open(context, rollover);
    const ask = await asking(records, path);
    await records.revocation.change({ actor: 'operator-1' }, { subject, action: 'suspend' } as never);
    const before = await record(records);
    await assert.rejects(ask(), { code: 'not_authenticated' });
    assert.deepEqual(await record(records), before);
    await records.revocation.change({ actor: 'operator-1' }, { subject, action: 'resume' } as never);
    const resumed = await record(records);
    await ask();
    assert.notDeepEqual(await record(records), resumed, 'and for one that is valid it does');
  });
}

for (const path of Object.keys(requests).filter((path) => rowAt(path)?.once)) {
  test(`rule 17: ${path} is done once, and answers a retry as it answered the first time`, async (context) => {
    const records = await open(context);
    const ask = await asking(records, path);
    const first = await ask('request-1');
    const done = await record(records);
    assert.deepEqual(await ask('request-1'), first);
    assert.deepEqual(await record(records), done);
  });
}

test('P9: what is asked for while the cut of its certificate is under way comes after it, and is refused', async (context) => {
  const { attributes, journal, revocation, ...records } = await open(context);
  const parts = { ...records, revocation };
  const [certificate] = (await revocation.list({ subject: subjectId('op-4'), limit: 1 })).items;
  const by = byPeer(parts, await requireAdmitted(parts, certificate?.fingerprint, ['operator']));
  const set = (status: string) =>
    attributes.change(by, { subjects: ['truck-17'], set: { status }, unset: [] } as never);
  const [before, cut, after] = await Promise.allSettled([
    set('before'),
    revocation.change({ actor: 'operator-1' }, { subject: 'op-4', action: 'suspend' } as never),
    set('after'),
  ]);
  assert.deepEqual([before.status, cut.status, after.status], ['fulfilled', 'fulfilled', 'rejected']);
  assert.equal((after as PromiseRejectedResult).reason.code, 'not_authenticated');
  assert.equal(journal.head().revision, cut.status === 'fulfilled' && cut.value.revision);
  const [status] = (await attributes.read('truck-17')).attributes;
  assert.equal(status?.value, 'before');
});
