/** Later issuers of a root that there was before the fleet, what it revokes, and the root that follows it. */
import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeKey, makeRequest } from '@portcullis/device';
import { pino } from 'pino';
import { type AuthorityKey, authorityKeys, openAuthorities, signs } from '../../test/openssl-authority.ts';
import { openRolledFleet, type RolledFleet } from '../../test/rolled-fleet.ts';
import { broughtRoot } from '../issuance/issuance.ts';
import { broughtKey } from '../keys/keys.ts';
import { fromPem, readList, subjectOf, toPem } from '../pki/pki.ts';
import { openLists } from '../revocation/revocation.ts';

const day = 86_400_000;

async function openBelow(context: TestContext, key: AuthorityKey, extensions = [signs]) {
  const { make, file, openssl } = openAuthorities((end) => context.after(end));
  make('ca', extensions, { key, named: '/C=DE/O=Example AG' });
  const house = await openRolledFleet(context, undefined, async (clock) => {
    clock.now = Date.now();
    const pem = readFileSync(file('ca.pem'), 'utf8');
    return broughtRoot(pem, await broughtKey(file('ca.key'), undefined), clock.now).root;
  });
  const rootKey = join(house.directory, 'keys/root.pem');
  const bringKey = (mode = 0o600) => {
    copyFileSync(file('ca.key'), rootKey);
    chmodSync(rootKey, mode);
  };
  const warnings: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => warnings.push(line) });
  const { store, journal, system, issuance } = house;
  const lists = async () => {
    const opened = await openLists({ store, journal, issuers: issuance.issuers, system, log });
    context.after(() => opened[Symbol.asyncDispose]());
    await opened.settled();
    return opened;
  };
  return { ...house, file, openssl, rootKey, bringKey, lists, warnings };
}

/** What OpenSSL says of a certificate below the root, with the issuer that is between. */
function verified(
  { file, openssl, clock }: Pick<Awaited<ReturnType<typeof openBelow>>, 'file' | 'openssl' | 'clock'>,
  { pem, issuerPem }: { pem: string; issuerPem: string },
  ...words: string[]
): string {
  writeFileSync(file('leaf.pem'), pem);
  writeFileSync(file('issuer.pem'), issuerPem);
  const at = String(Math.floor(clock.now / 1_000));
  const trust = ['-x509_strict', '-attime', at, '-CAfile', 'ca.pem', '-untrusted', 'issuer.pem'];
  return openssl('verify', ...trust, ...words, 'leaf.pem');
}

async function issue({ rollovers, by }: Pick<RolledFleet, 'rollovers' | 'by'>, what: 'device' | 'root') {
  const force = { force: true } as const;
  const { rollover } = await rollovers.start(by, { what });
  await rollovers.advance(by, force);
  assert.equal((await rollovers.advance(by, force)).phase, 'issuing');
  return rollover;
}

for (const key of authorityKeys) {
  test(`a root of ${key} that was brought signs a later issuer when its key is brought again, and its list and answers are in its name`, async (context) => {
    const house = await openBelow(context, key);
    const { rollovers, issuance, enrolled, by, bringKey, openssl, file, clock } = house;
    await enrolled('truck-1');
    bringKey();
    const { leaves, comes } = await issue(house, 'device');
    assert.deepEqual([leaves, comes], [['fleet-1 device issuer'], ['fleet-1 device-2 issuer']]);
    const truck = await enrolled('truck-2');
    assert.equal(truck.issuer, 'fleet-1 device-2 issuer');
    assert.match(verified(house, truck), /OK/);

    const made = (await house.lists()).current();
    assert.equal(made.length, 4);
    const [list] = made.flatMap(({ issuer, der }) => (issuer === 'root' ? [Buffer.from(der)] : []));
    const [ca] = fromPem('CERTIFICATE', readFileSync(file('ca.pem'), 'utf8'));
    assert.ok(list && ca && readList(list).issuer.equals(subjectOf(ca).name), 'byte by byte');
    writeFileSync(file('root.crl'), toPem('X509 CRL', list));
    openssl('crl', '-in', 'root.crl', '-CAfile', 'ca.pem', '-noout');
    const identifierIn = (text: string) => /Key Identifier: *\n\s*(?:keyid:)?([0-9A-F:]{40,})/.exec(text)?.[1];
    const said = identifierIn(openssl('crl', '-in', 'root.crl', '-noout', '-text'));
    const own = openssl('x509', '-in', 'ca.pem', '-noout', '-ext', 'subjectKeyIdentifier');
    assert.ok(said && own.includes(said), `${said} is not in ${own}`);
    writeFileSync(file('lists.pem'), made.map(({ der }) => toPem('X509 CRL', Buffer.from(der))).join(''));
    assert.match(verified(house, truck, '-crl_check_all', '-CRLfile', 'lists.pem'), /OK/);

    const root = issuance.issuers().find(({ role }) => role === 'root');
    const request = makeRequest(makeKey(), 'desk-1');
    const asked = { subject: 'desk-1', kind: 'desk', request, answersFor: root?.fingerprint ?? '' } as const;
    const delegate = await issuance.issue(await issuance.check(asked));
    assert.match(verified(house, delegate), /OK/);

    clock.now += 31 * day;
    assert.equal((await rollovers.retire(by, {})).phase, 'retired');
  });

  test(`another root follows one of ${key} that was brought, and its key is not needed for that`, async (context) => {
    const house = await openBelow(context, key);
    const { rollovers, issuance, enrolled, by } = house;
    const before = await enrolled('truck-1');
    const rollover = await issue(house, 'root');
    assert.deepEqual(rollover.leaves.toSorted(), [
      ...['C=DE, O=Example AG', 'fleet-1 device issuer', 'fleet-1 infrastructure issuer'],
    ]);
    const after = await enrolled('truck-2');
    assert.equal(after.issuer, 'fleet-1 device-2 issuer');
    assert.match(verified(house, before), /OK/);
    assert.throws(() => verified(house, after), /unable to get local issuer certificate|error 20/);
    await assert.rejects(rollovers.start(by, { what: 'device' }), { code: 'rollover_under_way' });
    await enrolled('operator-1', 'operator');
    await rollovers.retire(by, { force: true });
    await rollovers.settled();
    const [item] = (await rollovers.list()).items;
    assert.equal(item?.phase, 'retired');
    const [root, ...more] = fromPem('CERTIFICATE', issuance.bundle.roots);
    assert.ok(root && more.length === 0);
    writeFileSync(house.file('ca.pem'), issuance.bundle.roots);
    assert.match(verified(house, after), /OK/);
  });
}

test('where the key of a root was not brought again, or can not be read, that is said', async (context) => {
  const { rollovers, by, bringKey, rootKey } = await openBelow(context, 'rsa');
  const start = () => rollovers.start(by, { what: 'device' });
  const isSaid = (message: RegExp) => assert.rejects(start(), { code: 'key_unusable', message });
  await isSaid(/the root's key is not here .*root\.pem" can not be read.*--elsewhere/);
  bringKey(0o644);
  await isSaid(/root\.pem" has mode 644; it must be 600/);
  rmSync(rootKey);
  writeFileSync(rootKey, 'nothing', { mode: 0o600 });
  await isSaid(/root\.pem" must hold a private key in PEM/);
  bringKey();
  assert.equal((await start()).rollover.phase, 'prepared');
});

test('a root that may not sign lists signs none, which is told once', async (context) => {
  const house = await openBelow(context, 'p-256', ['keyUsage=critical,keyCertSign']);
  house.bringKey();
  await house.issuance.reload();
  const lists = await house.lists();
  await lists.settled();
  const issuers = lists.current().map(({ issuer }) => issuer);
  assert.deepEqual(issuers.toSorted(), ['issuer-device', 'issuer-infrastructure']);
  assert.equal(house.warnings.length, 1);
  assert.match(house.warnings[0] ?? '', /C=DE, O=Example AG\\" may not sign lists \(key usage: cRLSign\)/);
});
