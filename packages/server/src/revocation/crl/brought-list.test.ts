import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openIssuing } from '../../../test/issuing-records.ts';
import { makeRootList, type Root, withRevoked } from '../../issuance/issuance.ts';
import { toPem } from '../../pki/pki.ts';
import { createLog } from '../../telemetry/telemetry.ts';
import { openLists } from './lists.ts';

const day = 86_400_000;
const by = { actor: 'operator-1', reason: 'a year is over' };

/** A fleet whose root's key has left the machine, and who holds that key. */
async function openApart(context: TestContext) {
  const house = await openIssuing(context);
  const { store, journal, system, issuance, keys, directory } = house;
  const here = issuance.issuers().find(({ key }) => key === 'root');
  assert.ok(here);
  const root: Root = { ...here, signer: await keys.open('root') };
  rmSync(join(directory, 'keys', 'root.pem'));
  await issuance.reload();
  const log = createLog({ role: 'authority', level: 'silent' });
  const open = async () => {
    const lists = await openLists({ store, journal, issuers: issuance.issuers, system, log });
    context.after(() => lists[Symbol.asyncDispose]());
    await lists.settled();
    return lists;
  };
  const revoked = (...keysOf: string[]) =>
    withRevoked(
      { number: 0, revoked: [] },
      {
        certificates: issuance
          .issuers()
          .flatMap(({ key, certificate }) => (keysOf.includes(key) ? [toPem('CERTIFICATE', certificate)] : [])),
        ...{ root, now: system.now() },
      },
    ).revoked;
  const made = async (number: number, { keys: gone = [] as string[], days = 365, by: signer = root } = {}) =>
    (await makeRootList(signer, { number, revoked: revoked(...gone) }, { days, system })).der;
  return { ...house, root, open, made };
}

test('a list of a root whose key is elsewhere is taken, stays after a restart, and is in the journal', async (context) => {
  const house = await openApart(context);
  const lists = await house.open();
  assert.equal(
    lists.current().some(({ issuer }) => issuer === 'root'),
    false,
  );
  const { mark } = lists;
  const { issuer, number, entries } = await lists.add(by, await house.made(5, { keys: ['issuer-infrastructure'] }));
  assert.deepEqual([issuer, number, entries], ['root', 5, 1]);
  assert.notEqual(lists.mark, mark, 'desks ask for it');
  const again = await house.open();
  assert.equal(again.current().find((one) => one.issuer === 'root')?.number, 5);
  const [entry] = await house.store.read((db) =>
    db.selectFrom('journal').select(['action', 'actor', 'body']).orderBy('position', 'desc').limit(1).execute(),
  );
  assert.deepEqual([entry?.action, entry?.actor], ['revocation_lists.add', 'operator-1']);
});

test('what verifiers were told is not taken back', async (context) => {
  const house = await openApart(context);
  const lists = await house.open();
  house.clock.now += 2 * day;
  await lists.add(by, await house.made(5, { keys: ['issuer-device'] }));
  const refuses = async (der: Buffer, message: RegExp) => {
    await assert.rejects(lists.add(by, der), { code: 'file_unusable', message });
    assert.equal(lists.current().find(({ issuer }) => issuer === 'root')?.number, 5);
  };
  await refuses(await house.made(5, { keys: ['issuer-device'] }), /its number is 5, and 5 is here/);
  await refuses(await house.made(6), /"fleet-1 device issuer" is revoked by the list that is here/);
  house.clock.now -= day;
  const older = await house.made(6, { keys: ['issuer-device'] });
  house.clock.now += day;
  await refuses(older, /and the one of .* is here/);
  house.clock.now += day;
  const early = await house.made(6, { keys: ['issuer-device'] });
  house.clock.now -= day;
  await refuses(early, /which is to come/);
  const ended = await house.made(6, { keys: ['issuer-device'], days: 1 });
  house.clock.now += day;
  await refuses(ended, /it ended/);
  const signer = await house.keys.create('root-of-others');
  await refuses(
    await house.made(7, { by: { ...house.root, signer } }),
    /not signed by a root of this fleet: \["fleet-1 root"\]/,
  );
  await lists.add(by, await house.made(7, { keys: ['issuer-device', 'issuer-infrastructure'] }));
});

test('where the key comes back, what was revoked elsewhere stays on the lists made here', async (context) => {
  const house = await openApart(context);
  const lists = await house.open();
  await lists.add(by, await house.made(5, { keys: ['issuer-device'] }));
  await lists[Symbol.asyncDispose]();
  house.clock.now += 100 * day;
  const { store, journal, system, issuance, root } = house;
  const signer = root.signer as Awaited<ReturnType<typeof house.keys.open>>;
  const issuers = () => issuance.issuers().map((one) => (one.key === 'root' ? { ...one, signer } : one));
  const log = createLog({ role: 'authority', level: 'silent' });
  const later = await openLists({ store, journal, issuers, system, log });
  context.after(() => later[Symbol.asyncDispose]());
  await later.settled();
  const list = later.current().find(({ issuer }) => issuer === 'root');
  assert.ok((list?.number ?? 0) > 5);
  assert.equal(list?.entries, 1);
});
