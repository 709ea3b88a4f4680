/** A primary of PostgreSQL that is replaced: which one an authority takes, what it refuses, and what a fleet notices. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createStore, openStore, type Store, storePlace } from '../../packages/server/src/storage/storage.ts';
import { realSystem } from '../../packages/server/src/telemetry/telemetry.ts';
import { eventually, type House, post, readingsUrl } from '../../packages/server/test/house.ts';
import { skip } from '../../packages/server/test/postgres.ts';
import { Cluster, storeIn } from '../../packages/server/test/postgres-cluster.ts';
import { TwoAuthorities } from '../../packages/server/test/two-authorities.ts';
import { finished } from '../../tools/commands.ts';

const placeOf = (clusters: readonly Cluster[], more?: string) =>
  storePlace('/nowhere', storeIn(clusters, more), () => '');
const opening = { system: realSystem, holder: 'test' };
const put = (store: Store, name: string) =>
  store.change((db) => db.insertInto('settings').values({ name, value: 'x' }).execute());
const names = (store: Store) => store.read((db) => db.selectFrom('settings').select('name').orderBy('name').execute());

test('a primary that was replaced and is still alive can commit nothing, and who leads there ends; the next takes the promoted one', {
  skip,
}, async (context) => {
  const first = await Cluster.primary(context);
  const second = await first.copy(context, 'second');
  const both = placeOf([first, second]);
  await assert.rejects(createStore(both, opening), { code: 'config_invalid', message: /a commit waits for none/ });
  await first.set('synchronous_standby_names', 'FIRST 1 (second)');
  await using store = await createStore(both, opening);
  await put(store, 'before');
  await second.promote();
  await assert.rejects(put(store, 'after'), { code: 'store_unavailable' });
  await assert.rejects(store.lost, { code: 'not_leader' });
  assert.equal(store.leads(), false);
  await assert.rejects(openStore(both, opening), {
    code: 'config_invalid',
    message: new RegExp(`at 127.0.0.1:${second.port} a commit`),
  });
  // What keeps the first one from going on is that nobody follows it: said for the second, which has no copy yet.
  await using next = await openStore(placeOf([first, second], '&fencing=external'), opening);
  await put(next, 'led');
  assert.deepEqual(
    (await names(next)).map(({ name }) => name),
    // On another timeline, what was stored of leases is a lower bound (rule 19).
    ['before', 'leasesUnknown', 'led'],
  );
});

async function sent(house: House, device: string, id: string): Promise<string> {
  const { status, body } = await post(readingsUrl(house), await house.pem(device), JSON.stringify({ id, data: {} }));
  return status === 202 ? '202' : `${status} ${(JSON.parse(body) as { reason: string }).reason}`;
}

/** The same, once the gate decides. */
async function told(house: House, device: string, id: string): Promise<string> {
  let said = '';
  await eventually(async () => {
    said = await sent(house, device, id);
    return !said.startsWith('503');
  }, 'the gate decides');
  return said;
}

test('a primary is lost with all that it had: the standby authority leads the promoted one, and nothing that had a receipt is undone', {
  skip,
}, async (context) => {
  const first = await Cluster.primary(context);
  const second = await first.copy(context, 'second');
  await first.set('synchronous_standby_names', 'FIRST 1 (second)');
  const two = await TwoAuthorities.open(storeIn([first, second], '&fencing=external'));
  context.after(() => two.close());
  const { house } = two;
  const device = await house.device('truck-1');
  const stolen = await house.device('truck-2');
  assert.equal(
    (await house.change('attribute', 'set', 'truck-2', 'status=stolen', '--reason', 'gone')).confirmed,
    true,
  );
  assert.equal(await told(house, device, 'one'), '202');
  await first.kill();
  await second.promote();
  await two.standby.line(/^authority listening/);
  assert.equal(await told(house, device, 'two'), '202');
  assert.match(await told(house, stolen, 'three'), /^403/);
  assert.equal(
    (await house.change('attribute', 'set', 'truck-2', 'status=active', '--reason', 'found')).confirmed,
    true,
  );
  assert.equal(await told(house, stolen, 'four'), '202');
  const [verified] = await house.json<{ valid: boolean }>('journal', 'verify');
  assert.equal(verified?.valid, true);
});

test('E8: the last commits are lost with a primary: no authority that saw them leads what is behind them and no gate decides by it, until somebody accepts it', {
  skip,
}, async (context) => {
  const first = await Cluster.primary(context);
  const second = await first.copy(context, 'second');
  const two = await TwoAuthorities.open(storeIn([first, second], '&fencing=external'));
  context.after(() => two.close());
  const { house } = two;
  const device = await house.device('truck-1');
  assert.equal(await told(house, device, 'one'), '202');
  const [lag] = await first.ask<{ at: string }>('SELECT pg_current_wal_flush_lsn()::text AS at');
  await eventually(async () => {
    const [seen] = await second.ask<{ has: boolean }>(`SELECT pg_last_wal_replay_lsn() >= '${lag?.at}' AS has`);
    return seen?.has === true;
  }, 'the copy has what there is');
  await second.set('primary_conninfo', '');
  await eventually(
    async () => (await first.ask('SELECT 1 FROM pg_stat_replication')).length === 0,
    'the copy follows nobody',
  );
  const receipt = await house.change('attribute', 'set', 'truck-1', 'status=stolen', '--reason', 'gone');
  assert.equal(receipt.confirmed, true);
  assert.match(await told(house, device, 'two'), /^403/);
  await two.standbySees(receipt.revision);
  await first.kill();
  await second.promote();
  await two.standby.line(/has seen revision .* ends before entry .* \(revision_regressed\)/);
  assert.equal((await finished('portcullis', 'authority', 'accept-restore', two.copy)).status, 0);
  await two.standby.line(/^authority listening/);
  await house.gate?.line(/revision_regressed/);
  // Until its lease is over it refuses by what it has seen, and after that by that.
  await eventually(async () => {
    const said = await sent(house, device, 'three');
    assert.doesNotMatch(said, /^202/);
    return said === '503 replica_stale';
  }, 'the gate decides nothing');
});
