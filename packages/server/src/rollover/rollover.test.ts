import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { AlertsQuery, PortcullisError, type SubjectId } from '@portcullis/contract';
import { openRolledFleet } from '../../test/rolled-fleet.ts';
import { answerRequest, type FleetIssuer, makeRoot, parseRootRequest } from '../issuance/issuance.ts';
import { fileKeys } from '../keys/keys.ts';
import { fromPem } from '../pki/pki.ts';

const [hour, day] = [3_600_000, 86_400_000];
const names = (pem: string) =>
  fromPem('CERTIFICATE', pem).map((der) => new X509Certificate(der).subject.replace('CN=', ''));
const subjectsOf = ({ named }: { named: { subject: string }[] }) => named.map(({ subject }) => subject);

test('another issuer is told to all, signs once gates and desks hold it, and the one before goes when nothing of it lives', async (context) => {
  const { rollovers, issuance, enrolled, clock, by } = await openRolledFleet(context);
  await enrolled('gate-1', 'gate');
  await enrolled('truck-1');
  clock.now += hour;
  const { rollover } = await rollovers.start(by, { what: 'device' });
  assert.deepEqual(
    [rollover.phase, rollover.leaves, rollover.comes],
    ['prepared', ['fleet-1 device issuer'], ['fleet-1 device-2 issuer']],
  );
  assert.deepEqual(names(issuance.bundle.issuers), [
    ...['fleet-1 device issuer', 'fleet-1 infrastructure issuer', 'fleet-1 device-2 issuer'],
  ]);
  assert.equal(issuance.bundle.version, 2);
  assert.deepEqual([subjectsOf(rollover.lacking), subjectsOf(rollover.below)], [['gate-1'], ['truck-1']]);
  assert.equal((await enrolled('truck-2')).issuer, 'fleet-1 device issuer');
  await assert.rejects(rollovers.start(by, { what: 'root' }), { code: 'rollover_under_way' });
  await assert.rejects(rollovers.advance(by, {}), {
    code: 'rollover_loses',
    message: /1 do not hold version 2.*: gate-1;/,
  });

  rollovers.heard('gate-1', 2);
  await rollovers.settled();
  assert.equal((await rollovers.advance(by, {})).phase, 'trusted');
  assert.equal(rollovers.bundleDue, undefined, 'a renewal would bring a device nothing');
  assert.equal((await rollovers.advance(by, {})).phase, 'issuing');
  assert.equal(rollovers.bundleDue, 3);
  assert.equal((await enrolled('truck-3')).issuer, 'fleet-1 device-2 issuer');
  assert.equal((await enrolled('truck-3', 'device', 'label')).issuer, 'fleet-1 device-2 issuer');
  await assert.rejects(rollovers.retire(by, {}), {
    code: 'rollover_loses',
    message: /^2 have certificates of what would go: truck-\d, truck-\d;/,
  });

  clock.now += 31 * day;
  const retired = await rollovers.retire(by, {});
  assert.equal(retired.phase, 'retired');
  assert.deepEqual(names(issuance.bundle.issuers), ['fleet-1 infrastructure issuer', 'fleet-1 device-2 issuer']);
  assert.deepEqual([issuance.bundle.version, rollovers.bundleDue], [4, undefined]);
});

test('devices are to renew for a new root, and for who signs below it; for an issuer of infrastructure, or one beside, they are not', async (context) => {
  const { rollovers, by } = await openRolledFleet(context);
  const due = async (step: Promise<unknown>) => {
    await step;
    return rollovers.bundleDue;
  };
  const force = { force: true } as const;
  assert.equal(await due(rollovers.start(by, { what: 'infrastructure' })), undefined);
  for (const step of ['advance', 'advance', 'retire'] as const)
    assert.equal(await due(rollovers[step](by, {})), undefined);
  assert.equal(await due(rollovers.start(by, { what: 'device', beside: true })), undefined);
  for (const step of ['advance', 'advance'] as const) assert.equal(await due(rollovers[step](by, {})), undefined);
  const started = await rollovers.start(by, { what: 'root' });
  assert.equal(rollovers.bundleDue, started.rollover.bundle);
  assert.equal(await due(rollovers.advance(by, force)), started.rollover.bundle);
  assert.equal(await due(rollovers.advance(by, force)), started.rollover.bundle + 1);
});

test('of two processes of one gate the one that lacks the bundle is told, until it holds it or is silent for a minute', async (context) => {
  const { rollovers, enrolled, clock, by } = await openRolledFleet(context);
  await enrolled('gate-1', 'gate');
  clock.now += hour;
  await rollovers.start(by, { what: 'device' });
  const lacking = async () => {
    await rollovers.settled();
    return subjectsOf((await rollovers.list()).items[0]?.lacking as never);
  };
  const [one, two] = ['a'.repeat(32), 'b'.repeat(32)];
  rollovers.heard('gate-1', 1, one);
  rollovers.heard('gate-1', 2, two);
  assert.deepEqual(await lacking(), ['gate-1'], 'the other one is behind');
  rollovers.heard('gate-1', 2, one);
  assert.deepEqual(await lacking(), []);
  rollovers.heard('gate-1', 1, one);
  assert.deepEqual(await lacking(), ['gate-1'], 'one that comes back with an older state is behind again');
  clock.now += 60_001;
  rollovers.heard('gate-1', 2, two);
  assert.deepEqual(await lacking(), [], 'what is silent is over');
});

/** Leaf, issuer and root as a verifier has them: true where they are a chain (RFC 5280 §6.1) by these roots alone. */
function holds({ pem, issuerPem }: { pem: string; issuerPem: string }, roots: string): boolean {
  const [leaf, issuer] = [pem, issuerPem].map((one) => new X509Certificate(one)) as [X509Certificate, X509Certificate];
  const above = fromPem('CERTIFICATE', roots).map((der) => new X509Certificate(der));
  const signs = (one: X509Certificate, other: X509Certificate) => other.checkIssued(one) && other.verify(one.publicKey);
  return signs(issuer, leaf) && above.some((root) => signs(root, issuer));
}

/** A root with both issuers, of which gates and desks know. */
async function rolledToIssuing(context: TestContext) {
  const house = await openRolledFleet(context);
  const { rollovers, issuance, enrolled, clock, by } = house;
  const old = issuance.bundle.roots;
  for (const [id, kind] of [
    ['gate-1', 'gate'],
    ['boss', 'operator'],
    ['truck-1', 'device'],
    ['truck-2', 'device'],
  ] as const) {
    await enrolled(id, kind);
  }
  clock.now += hour;
  const { rollover } = await rollovers.start(by, { what: 'root' });
  return { ...house, old, rollover };
}

test('another root is trusted once everybody holds it; servers stay below the old one, which everybody holds, until that is retired', async (context) => {
  const { rollovers, issuance, enrolled, clock, by, old, rollover } = await rolledToIssuing(context);
  assert.deepEqual(rollover.comes, ['fleet-1 device-2 issuer', 'fleet-1 infrastructure-2 issuer', 'fleet-1 root-2']);
  assert.deepEqual(names(issuance.bundle.roots), ['fleet-1 root', 'fleet-1 root-2']);
  assert.deepEqual(subjectsOf(rollover.lacking).toSorted(), ['boss', 'gate-1', 'truck-1', 'truck-2']);
  rollovers.heard('gate-1', 2);
  clock.now += hour;
  await enrolled('truck-1');
  await enrolled('boss', 'operator');
  await assert.rejects(rollovers.advance(by, {}), { code: 'rollover_loses', message: /^1 do not hold .*: truck-2;/ });
  await rollovers.advance(by, { force: true });
  await rollovers.advance(by, {});
  const next = await enrolled('truck-3');
  assert.equal(holds(next, old), false);
  assert.equal(holds(next, issuance.bundle.roots), true);
  for (const purpose of ['server', 'label'] as const) {
    const shown = await enrolled('gate-1', 'gate', purpose);
    assert.equal(holds(shown, old), true, `who has the old bundle alone verifies what is shown to it: ${purpose}`);
  }

  clock.now += 400 * day;
  await assert.rejects(rollovers.retire(by, { force: true }), { message: /^"operator-1" would be lost itself/ });
  await enrolled('operator-1', 'operator');
  await enrolled('gate-1', 'gate');
  await enrolled('truck-1');
  const { phase } = await rollovers.retire(by, {}).catch(async (error: Error) => {
    assert.match(error.message, /gate-1/, 'the label that the old one signed lives for two years');
    return rollovers.retire(by, { without: ['gate-1'] as SubjectId[] });
  });
  assert.equal(phase, 'retiring');
  assert.equal(names(issuance.bundle.roots).length, 2, 'gates still show what is below the old one');
  const server = await enrolled('gate-1', 'gate', 'server');
  assert.deepEqual([holds(server, old), holds(server, issuance.bundle.roots)], [false, true]);
  rollovers.heard('gate-1', issuance.bundle.version);
  await rollovers.settled();
  const { items } = await rollovers.list();
  assert.equal(items[0]?.phase, 'retired');
  assert.deepEqual(names(issuance.bundle.roots), ['fleet-1 root-2']);
  assert.deepEqual(names(issuance.bundle.issuers), ['fleet-1 device-2 issuer', 'fleet-1 infrastructure-2 issuer']);
});

test('where a gate is away the old root goes a day after it was retired: no server certificate below it is left', async (context) => {
  const { rollovers, issuance, enrolled, clock, by } = await rolledToIssuing(context);
  await rollovers.advance(by, { force: true, without: ['gate-1'] as SubjectId[] });
  await rollovers.advance(by, {});
  await enrolled('operator-1', 'operator');
  await rollovers.retire(by, { force: true, without: ['gate-1'] as SubjectId[] });
  await rollovers.settled();
  assert.equal(names(issuance.bundle.roots).length, 2);
  clock.now += day + 1_000;
  await rollovers.look();
  assert.deepEqual(names(issuance.bundle.roots), ['fleet-1 root-2']);
});

test('what was prepared can be taken back until something is issued; its names are not used again', async (context) => {
  const { rollovers, issuance, by } = await rolledToIssuing(context);
  const without = ['gate-1'] as SubjectId[];
  await rollovers.advance(by, { force: true, without });
  assert.equal((await rollovers.abandon(by)).phase, 'abandoned');
  assert.deepEqual(names(issuance.bundle.roots), ['fleet-1 root']);
  const { rollover } = await rollovers.start(by, { what: 'device' });
  assert.deepEqual(rollover.comes, ['fleet-1 device-3 issuer']);
  await rollovers.advance(by, { without });
  await rollovers.advance(by, {});
  await assert.rejects(rollovers.abandon(by), { code: 'rollover_not_ready' });
  await assert.rejects(rollovers.answer(by, '{}'), { code: 'rollover_not_ready' });
});

for (const what of ['device', 'root'] as const) {
  test(`a root on another machine is asked by a file, and answers by one: ${what}`, async (context) => {
    const { rollovers, issuance, by, fleet, system, keys } = await openRolledFleet(context);
    const there = mkdtempSync(join(tmpdir(), 'portcullis-root-'));
    context.after(() => rmSync(there, { recursive: true, force: true }));
    const { rollover, request } = await rollovers.start(by, { what, elsewhere: true });
    assert.deepEqual([rollover.phase, issuance.bundle.version], ['asked', 1]);
    const asked = parseRootRequest(JSON.stringify(request));
    const present = issuance.issuers().find(({ role }) => role === 'root') as FleetIssuer;
    const later = asked.root && { as: { key: 'root', ...asked.root } };
    const root = later
      ? await makeRoot({ keys: fileKeys(there), system, fleet, ...later })
      : { ...present, signer: await keys.open('root') };
    const stranger = await makeRoot({ keys: fileKeys(there), system, fleet, as: { key: 'other', name: root.name } });
    const { answer } = await answerRequest(root, asked, system);
    const strange = await answerRequest(stranger, asked, system);
    if (what === 'device') {
      await assert.rejects(rollovers.answer(by, JSON.stringify(strange.answer)), { code: 'file_unusable' });
    }
    const cut = { ...by, requireAllowed: () => Promise.reject(new PortcullisError('not_authenticated', 'cut')) };
    await assert.rejects(rollovers.answer(cut, JSON.stringify(answer)), { code: 'not_authenticated' });
    assert.equal((await rollovers.answer(by, JSON.stringify(answer))).phase, 'prepared');
    assert.deepEqual(
      names(issuance.bundle.roots),
      what === 'root' ? ['fleet-1 root', 'fleet-1 root-2'] : ['fleet-1 root'],
    );
    assert.equal(issuance.issuers().find(({ key }) => key === 'root-2')?.signer, undefined);
    await rollovers.advance(by, { force: true });
    await rollovers.advance(by, {});
  });
}

test('from a year before its end each issuer rings, and a fleet that follows issues for thirty years', async (context) => {
  const { rollovers, issuance, enrolled, clock, by, alerts } = await openRolledFleet(context);
  const open = async () =>
    (await alerts.list(AlertsQuery.parse({ kind: 'issuer_ending', open: '1' }))).items.map(({ detail }) => detail.name);
  await rollovers.look();
  assert.deepEqual(await open(), []);
  clock.now += 400 * day;
  await enrolled('truck-1');
  await rollovers.look();
  assert.deepEqual(await open(), []);
  for (let ends = clock.now - 400 * day + 3_650 * day, times = 0; times < 3; times++) {
    clock.now = ends - 360 * day;
    await rollovers.look();
    const rings = (await open()).toSorted();
    const isLast = rings.some((name) => String(name).includes('root'));
    assert.equal(rings.length, isLast ? 3 : 2, rings.join(', '));
    for (const what of isLast ? (['root'] as const) : (['device', 'infrastructure'] as const)) {
      await rollovers.start(by, { what });
      await rollovers.advance(by, { force: true });
      await rollovers.advance(by, {});
      await enrolled('operator-1', 'operator');
      await rollovers.retire(by, { force: true });
      clock.now += 2 * day;
      await rollovers.look();
    }
    assert.deepEqual(await open(), []);
    ends = Math.min(...issuance.ends().map(({ notAfter }) => notAfter));
    const { notBefore, notAfter } = await enrolled('truck-1');
    assert.ok(notBefore < clock.now && clock.now + 29 * day < notAfter);
  }
});

test('the list of a root whose key is elsewhere rings a month before its end, until a later one is there', async (context) => {
  const { rollovers, issuance, store, clock, alerts, directory } = await openRolledFleet(context);
  const open = async () =>
    (await alerts.list(AlertsQuery.parse({ kind: 'list_ending', open: '1' }))).items.map(({ detail }) => detail.name);
  const until = async (nextUpdate: number) => {
    const facts = { number: 1, thisUpdate: clock.now, nextUpdate, entries: 0, der: Buffer.alloc(0) };
    await store.change((db) => db.deleteFrom('revocationLists').execute());
    await store.change((db) =>
      db
        .insertInto('revocationLists')
        .values(['root', 'issuer-device'].map((issuer) => ({ issuer, ...facts })))
        .execute(),
    );
    await rollovers.look();
  };
  await until(clock.now + 365 * day);
  clock.now += 340 * day;
  await rollovers.look();
  assert.deepEqual(await open(), [], 'each is made anew here');
  rmSync(join(directory, 'keys', 'root.pem'));
  await issuance.reload();
  await rollovers.look();
  assert.deepEqual(await open(), ['fleet-1 root']);
  await until(clock.now + 365 * day);
  assert.deepEqual(await open(), []);
  clock.now += 330 * day;
  await rollovers.look();
  assert.deepEqual(await open(), []);
});

test('eleven years on, without another issuer, nothing is signed and no clock helps', async (context) => {
  const { issuance, enrolled, clock } = await openRolledFleet(context);
  clock.now += 11 * 365 * day;
  await assert.rejects(enrolled('truck-1'), { code: 'issuer_ended' });
  assert.equal(issuance.bundle.version, 1);
});

test('who slept past the end of its certificate is named for as long as it may still renew', async (context) => {
  const { rollovers, issuance, enrolled, clock, by } = await openRolledFleet(context);
  const { notAfter } = await enrolled('truck-1');
  clock.now = notAfter + day;
  const { rollover } = await rollovers.start(by, { what: 'root' });
  assert.deepEqual(subjectsOf(rollover.lacking), ['truck-1']);
  await assert.rejects(rollovers.advance(by, {}), { code: 'rollover_loses', message: /: truck-1;/ });
  clock.now = notAfter + issuance.renewableMs('device') - 1;
  assert.deepEqual(subjectsOf((await rollovers.list()).items[0]?.lacking as never), ['truck-1']);
  clock.now += 1;
  assert.deepEqual(subjectsOf((await rollovers.list()).items[0]?.lacking as never), []);
  assert.equal((await rollovers.advance(by, {})).phase, 'trusted');
});

test('a step that is on record and can not be read anew says so, is tried again by itself, and the next step waits for it', async (context) => {
  const { rollovers, issuance, by } = await openRolledFleet(context);
  context.mock.timers.enable({ apis: ['setTimeout'] });
  await rollovers.start(by, { what: 'device' });
  await rollovers.advance(by, { force: true });
  const { reload } = issuance;
  let tries = 0;
  issuance.reload = async () => {
    // Before the step it is there.
    if (++tries === 1) return reload();
    throw new PortcullisError('key_unusable', 'the token is gone');
  };
  const said = /^"rollovers.advance" is done and on record, .*: the token is gone$/;
  await assert.rejects(rollovers.advance(by, {}), { code: 'key_unusable', message: said });
  assert.equal(issuance.bundle.version, 2, 'what is served is from before');
  await assert.rejects(rollovers.retire(by, {}), { code: 'key_unusable' });
  const tried = tries;
  for (; tries === tried; context.mock.timers.tick(1_000)) await new Promise((resolve) => setImmediate(resolve));
  issuance.reload = reload;
  for (; issuance.bundle.version === 2; context.mock.timers.tick(1_000))
    await new Promise((resolve) => setImmediate(resolve));
  assert.equal((await rollovers.list()).items[0]?.phase, 'issuing');
  assert.equal((await rollovers.retire(by, { force: true })).phase, 'retired');
});
