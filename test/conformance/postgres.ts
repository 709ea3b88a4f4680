/** The store on Debian's PostgreSQL: what every store promises, and what a database and several processes at it can do besides. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { enrol } from '@portcullis/device';
import { parseAddress } from '../../packages/server/src/storage/postgres/address.ts';
import {
  createStore,
  openStore,
  readStore,
  type Store,
  storePlace,
  upgradeStore,
} from '../../packages/server/src/storage/storage.ts';
import { makeTables } from '../../packages/server/src/storage/store/postgres/form.ts';
import { withConnection } from '../../packages/server/src/storage/store/postgres/postgres-store.ts';
import { storeContract } from '../../packages/server/src/storage/store/store.contract.ts';
import { realSystem } from '../../packages/server/src/telemetry/telemetry.ts';
import { decided, House } from '../../packages/server/test/house.ts';
import { losingCommits } from '../../packages/server/test/losing-commits.ts';
import { ask, freshSchema, newSchema, skip, urlOf } from '../../packages/server/test/postgres.ts';
import { TwoAuthorities } from '../../packages/server/test/two-authorities.ts';
import type { Running } from '../../tools/commands.ts';
import { asNewcomer, type Block, blocksOf } from '../newcomer.ts';
import { standStill } from '../standstill.ts';

const opening = { system: realSystem, holder: 'test' };
const placeAt = (url: string) => storePlace('/nowhere', url, () => '');

if (!skip) {
  storeContract({
    name: 'postgres',
    place: (context) => placeAt(freshSchema(context).url),
    create: (place) => createStore(place, opening),
    open: (place) => openStore(place, opening),
  });
}

const put = (store: Store, name: string, how?: { durable?: boolean }) =>
  store.change((db) => db.insertInto('settings').values({ name, value: 'x' }).execute(), how);

const namesIn = async (schema: string) =>
  (await ask<{ name: string }>(`SELECT name FROM ${schema}.settings ORDER BY name`)).map(({ name }) => name);

test('rules 10 to 13: of two processes one leads; once another took over, the first changes nothing', {
  skip,
}, async (context) => {
  const { url, schema } = freshSchema(context);
  await using first = await createStore(placeAt(url), { ...opening, holder: 'first' });
  await assert.rejects(openStore(placeAt(url), opening), { code: 'store_locked', message: /leads this store: first/ });
  await put(first, 'before');
  assert.equal(first.leads(), true);
  // Who would take over waits for the end of a change that is under way.
  await first.change(async () => {
    await assert.rejects(ask(`SELECT 1 FROM ${schema}.fence FOR UPDATE NOWAIT`), { code: '55P03' });
  });
  // The fence alone: no beat tells it before the change does.
  await ask(`UPDATE ${schema}.fence SET term = 'another'`);
  await assert.rejects(put(first, 'after'), { code: 'not_leader' });
  await assert.rejects(put(first, 'again'), { code: 'not_leader' });
  assert.equal(first.leads(), false);
  await assert.rejects(first.lost, { code: 'not_leader' });
  assert.deepEqual(await namesIn(schema), ['before']);
});

test('a store that was closed is taken at once, and one whose process is gone after its term', {
  skip,
}, async (context) => {
  const { url, schema } = freshSchema(context);
  await (await createStore(placeAt(url), opening))[Symbol.asyncDispose]();
  const begun = performance.now();
  await (await openStore(placeAt(url), opening))[Symbol.asyncDispose]();
  const closedMs = performance.now() - begun;
  await ask(`UPDATE ${schema}.leadership SET term = 'gone', "termMs" = 2500, free = false`);
  const goneSince = performance.now();
  await using store = await openStore(placeAt(url), opening);
  const goneMs = performance.now() - goneSince;
  assert.ok(goneMs >= 2_500, `taken after ${goneMs} ms`);
  assert.ok(closedMs < goneMs, `taken after ${closedMs} ms`);
  await put(store, 'goes on');
});

test('P8: a change whose connection is cut before its commit is not there, is said not to be, and the next goes on', {
  skip,
}, async (context) => {
  const { url, schema } = freshSchema(context);
  await using store = await createStore(placeAt(url), opening);
  const cut = store.change(async (db) => {
    await db.insertInto('settings').values({ name: 'cut', value: 'x' }).execute();
    await ask(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction' AND query LIKE '%settings%' AND pid <> pg_backend_pid()`,
    );
    await db.insertInto('settings').values({ name: 'cut too', value: 'x' }).execute();
  });
  await assert.rejects(cut, { code: 'store_unavailable' });
  await put(store, 'next');
  assert.deepEqual(await namesIn(schema), ['next']);
});

test('a text with U+0000 is refused as malformed, and not as an error of the server', { skip }, async (context) => {
  await using store = await createStore(placeAt(freshSchema(context).url), opening);
  await assert.rejects(put(store, 'a\u0000b'), { code: 'request_malformed' });
  await put(store, 'next');
});

test('a change that need not be durable waits for no flush, and those that follow do', { skip }, async (context) => {
  await using store = await createStore(placeAt(freshSchema(context).url), opening);
  const flush = (how?: { durable?: boolean }) =>
    store.change(async (db) => {
      const { sql } = await import('kysely');
      const { rows } = await sql<{ synchronous_commit: string }>`SHOW synchronous_commit`.execute(db);
      return rows[0]?.synchronous_commit;
    }, how);
  assert.equal(await flush({ durable: false }), 'off');
  assert.equal(await flush(), 'on');
});

test('a database that is not there, or has no store, or one of another version, says so', { skip }, async (context) => {
  const { url, schema } = freshSchema(context);
  await assert.rejects(openStore(placeAt(url), opening), { code: 'fleet_missing' });
  await assert.rejects(openStore(placeAt('postgres://127.0.0.1:9/none'), opening), { code: 'store_unavailable' });
  await assert.rejects(openStore(placeAt('postgres://127.0.0.1/no-such-database'), opening), {
    code: 'store_unavailable',
  });
  await (await createStore(placeAt(url), opening))[Symbol.asyncDispose]();
  assert.equal(await upgradeStore(placeAt(url), opening), 0);
  await ask(`UPDATE ${schema}.form SET version = version + 1`);
  await assert.rejects(openStore(placeAt(url), opening), { code: 'store_version' });
  await assert.rejects(
    readStore(placeAt(url)).snapshot(async () => undefined),
    { code: 'store_version' },
  );
  await assert.rejects(upgradeStore(placeAt(url), opening), { code: 'store_version' });
});

test('rule 14: a commit whose answer is lost ends the term, since what is in memory may be older than the database', {
  skip,
}, async (context) => {
  const { schema, port, losing } = await losingCommits(context);
  const store = await createStore(placeAt(urlOf(schema, port)), opening);
  await put(store, 'answered');
  losing.next = true;
  await assert.rejects(put(store, 'in doubt'), { code: 'store_unavailable', message: /did not say whether/ });
  assert.equal(store.leads(), false);
  await assert.rejects(put(store, 'after'), { code: 'not_leader' });
  await assert.rejects(store.lost, { code: 'not_leader' });
  await store[Symbol.asyncDispose]();
  // It was committed all the same: who opens the store anew knows.
  assert.deepEqual(await namesIn(schema), ['answered', 'in doubt']);
});

test('rule 19: on another timeline, or in another cluster, a term ends, and what is stored of leading is a lower bound', {
  skip,
}, async (context) => {
  const { url, schema } = freshSchema(context);
  const elsewhere = `UPDATE ${schema}.leadership SET history = '1/00000009'`;
  const ledIn = async () => (await ask<{ history: string }>(`SELECT history FROM ${schema}.leadership`))[0]?.history;
  const address = parseAddress(url, () => '');
  await withConnection(address, (db) => makeTables(db, address));
  const made = await ledIn();
  const store = await openStore(placeAt(url), opening);
  assert.equal(await ledIn(), made, 'also a take-over that is lost with what it stored was somewhere');
  await ask(elsewhere);
  await assert.rejects(store.lost, { code: 'not_leader' });
  await store[Symbol.asyncDispose]();
  // Given back, by what was seen of it there.
  await ask(`${elsewhere}, free = true`);
  const begun = performance.now();
  await using next = await openStore(placeAt(url), opening);
  assert.ok(performance.now() - begun >= 2_500, 'who took it since may be lost, and lead for a term');
  assert.deepEqual(await namesIn(schema), ['leasesUnknown']);
  await put(next, 'goes on');
});

/** What the gate decides, also where it had to wait for its lease first. */
async function sent(house: House, device: string, id: string): Promise<number> {
  const body = JSON.stringify({ id, data: { celsius: 4 } });
  return (await decided(`${house.gateUrl}/v1/streams/telemetry/readings`, await house.pem(device), body)).status;
}

test('a fleet whose store is in PostgreSQL: a device enrols, is cut off and let in again, with receipts; the journal holds', {
  skip,
}, async (context) => {
  const { url, schema } = freshSchema(context);
  const house = await House.open(() => undefined, ['--store', url]);
  context.after(() => house.close());
  const device = await house.device('truck-1', { status: 'active' });
  const send = (id: string) => sent(house, device, id);
  assert.equal(await send('one'), 202);
  for (const [words, status] of [
    [['attribute', 'set', 'truck-1', 'status=stolen'], 403],
    [['attribute', 'set', 'truck-1', 'status=active'], 202],
    [['certificate', 'suspend', 'truck-1'], 403],
    [['certificate', 'resume', 'truck-1'], 202],
  ] as const) {
    const { confirmed } = await house.change(...words, '--reason', 'a test');
    assert.equal(confirmed, true, words.join(' '));
    assert.equal(await send(words.join('-')), status, words.join(' '));
  }
  const [selected] = await house.json<{ subjects: number }>(
    'attribute',
    'set',
    '--where',
    'kind == "device" && status == "active"',
    'site=kiel',
    '--reason',
    'all',
    '--wait',
  );
  assert.ok(selected);
  const [verified] = await house.json<{ valid: boolean; entries: number }>('journal', 'verify');
  assert.equal(verified?.valid, true);
  const [{ position } = { position: 0 }] = await ask<{ position: string }>(`SELECT position FROM ${schema}.head`);
  assert.equal(Number(position), verified?.entries);

  // A second authority is refused while the first leads; killed, the next start takes over after its term, and gives receipts again.
  const second = await house.portcullis('upgrade');
  assert.match(second.error, /another authority leads this store/);
  const backup = await house.portcullis('backup', join(house.home, 'fleet.tar'));
  assert.match(backup.error, /of a store in a file/);
  const { process: first } = house.authority as Running;
  const gone = once(first, 'exit');
  first.kill('SIGKILL');
  await gone;
  await house.startAuthority();
  assert.equal(
    (await house.change('attribute', 'set', 'truck-1', 'status=stolen', '--reason', 'again')).confirmed,
    true,
  );
  assert.equal(await send('last'), 403);

  // Another took over, as one does that saw this one stand still for its whole term: it ends by itself, and says why.
  const { authority } = house;
  const ended = once((authority as Running).process, 'exit');
  await ask(`UPDATE ${schema}.fence SET term = 'another'`);
  await ask(`UPDATE ${schema}.leadership SET term = 'another', free = true`);
  await authority?.line(/does not lead any more/);
  await ended;
});

test('two authorities: when the one that leads is gone, gates, devices and operators find the other by themselves', {
  skip,
}, async (context) => {
  const { url, schema } = freshSchema(context);
  const two = await TwoAuthorities.open(url);
  context.after(() => two.close());
  const { house, leader: first, standby: second } = two;
  const device = await house.device('truck-1', { status: 'active' });
  assert.equal(await sent(house, device, 'one'), 202);
  assert.equal((await house.change('attribute', 'set', 'gate-1', 'site=kiel', '--reason', 'led')).confirmed, true);
  const [token] = await house.json<{ token: string }>('token', 'create', 'truck-2');

  standStill(first.process.pid);
  await second.line(/^authority listening/);
  const [row] = await ask<{ holder: string }>(`SELECT holder FROM ${schema}.leadership`);
  assert.match(row?.holder ?? '', new RegExp(`process ${second.process.pid}, at https:`));
  // The first one takes connections, and says nothing.
  const { confirmed } = await house.change(
    'attribute',
    'set',
    'truck-1',
    'status=stolen',
    '--reason',
    'led by the other',
  );
  assert.equal(confirmed, true);
  assert.equal(await sent(house, device, 'two'), 403);
  await enrol({ token: token?.token ?? '', directory: join(house.home, 'truck-2') });
  assert.equal((await house.portcullis('status')).status, 0);

  const head = async () => JSON.stringify(await ask(`SELECT position, hash FROM ${schema}.head`));
  const before = await head();
  const ended = once(first.process, 'exit');
  first.process.kill('SIGCONT');
  await first.line(/does not lead any more/);
  await ended;
  assert.equal(await head(), before, 'what stood still changes nothing when it goes on');
});

test('a standby that is told to stop while it waits ends, and one at a file is refused', { skip }, async (context) => {
  const { url } = freshSchema(context);
  await using leader = await createStore(placeAt(url), { ...opening, holder: 'the leader' });
  const stop = new AbortController();
  const told: string[] = [];
  const waits = (name = '') => {
    told.push(name);
    stop.abort();
  };
  const standby = { signal: stop.signal, waits, mayLead: async () => true };
  await assert.rejects(openStore(placeAt(url), { ...opening, standby }), { name: 'AbortError' });
  assert.deepEqual(told, ['the leader']);
  assert.equal(leader.leads(), true);
  await assert.rejects(openStore({ directory: '/nowhere' }, { ...opening, standby }), { code: 'usage' });
});

test('docs/operating/postgresql.md works from its first line to its last', { skip }, async (context) => {
  const database = newSchema();
  context.after(() => ask(`DROP DATABASE IF EXISTS ${database}`));
  const named = ({ text, ...block }: Block): Block => ({
    ...block,
    text: text
      .replaceAll(/(\bcreatedb |\bpsql |--dbname=)fleet\b/g, `$1${database}`)
      .replace('postgres:///fleet', `postgres:///${database}`),
  });
  await asNewcomer((newcomer) => newcomer.follow(blocksOf('docs/operating/postgresql.md').map(named)));
});

/** Those whose texts ask an engine for more than rows by their keys. */
const ofRooms = ['enrolment/descent', 'rules/rules', 'alerts/open', 'journal/requests'];

test('rooms keep their promises on PostgreSQL: what is read along lines of descent, folded from edges, found by what is over it, made once', {
  skip,
}, () => {
  const files = ofRooms.map((name) => `packages/server/src/${name}.test.ts`);
  const only =
    '--test-name-pattern=two living lines|archived certificate names|again, in any order|breach does not go away|until it is settled|rule 17';
  const words = ['--conditions=portcullis-source', '--test', '--test-reporter=tap', only, ...files];
  const environment = { ...process.env, PORTCULLIS_TEST_STORE: 'postgres', NODE_TEST_CONTEXT: undefined };
  const { status, stdout } = spawnSync(process.execPath, words, { env: environment, encoding: 'utf8' });
  assert.equal(status, 0, stdout);
  assert.match(stdout, /^# pass 8$/m, stdout);
});
