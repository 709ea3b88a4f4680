/** A fleet whose store was in a file, and is moved into Debian's PostgreSQL. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { createStore, storePlace } from '../../packages/server/src/storage/storage.ts';
import { realSystem } from '../../packages/server/src/telemetry/telemetry.ts';
import { House, post } from '../../packages/server/test/house.ts';
import { ask, freshSchema, serverPort, skip, urlOf } from '../../packages/server/test/postgres.ts';
import { launchOf, Running } from '../../tools/commands.ts';

/** Stands before the database: once a statement with these words has gone there, no answer comes back. */
async function silentAfter(context: TestContext, words: string) {
  const { promise: silent, resolve } = Promise.withResolvers<void>();
  const server = createServer((near) => {
    const far = connect(serverPort, '127.0.0.1');
    let isSilent = false;
    near.on('data', (bytes) => {
      isSilent ||= bytes.includes(words);
      far.write(bytes);
    });
    far.on('data', (bytes) => (isSilent ? resolve() : near.write(bytes)));
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const)
      one.on('error', () => undefined).on('close', () => other.destroy());
  });
  await listening(context, server);
  return { silent, port: (server.address() as AddressInfo).port };
}

/** Whoever comes has given the wrong password, in the words of PostgreSQL. */
async function refusesPasswords(context: TestContext): Promise<number> {
  const server = createServer((client) => {
    const fields = Buffer.from('SFATAL\0C28P01\0Mpassword authentication failed for user "ca"\0\0');
    const head = Buffer.from([0x45, 0, 0, 0, fields.length + 4]);
    client.on('error', () => undefined).once('data', () => client.end(Buffer.concat([head, fields])));
  });
  await listening(context, server);
  return (server.address() as AddressInfo).port;
}

async function listening(context: TestContext, server: ReturnType<typeof createServer>): Promise<void> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => server.close());
}

test('a fleet moves from its file into PostgreSQL: what is refused or killed on the way leaves the file in use, and then all goes on', {
  skip,
}, async (context) => {
  const { url, schema } = freshSchema(context);
  const house = await House.open();
  context.after(() => house.close());
  const device = await house.device('truck-1', { status: 'active' });
  const pem = await house.pem(device);
  const send = async (id: string) =>
    (await post(`${house.gateUrl}/v1/streams/telemetry/readings`, pem, JSON.stringify({ id, data: { celsius: 4 } })))
      .status;
  assert.equal(await send('before'), 202);
  await house.change('attribute', 'set', 'truck-1', 'label=\\"{},NULL', '--reason', 'looks like an array');
  const file = join(house.fleet, 'fleet.yaml');
  const written = readFileSync(file, 'utf8');
  const migrate = (to: string) => house.portcullis('migrate', '--to', to);
  const refused = async (to: string, said: RegExp) => {
    const { status, error } = await migrate(to);
    assert.notEqual(status, 0, error);
    assert.match(error, said);
    assert.equal(readFileSync(file, 'utf8'), written);
  };

  await refused(url, /another process \(\d+\) holds .*store_locked/);
  await house.gate?.stop();
  await house.authority?.stop();
  await refused(urlOf(schema, await refusesPasswords(context)), /password authentication failed.*store_unavailable/);
  const other = freshSchema(context);
  const place = storePlace('/nowhere', other.url, () => '');
  await (await createStore(place, { system: realSystem, holder: 'another' }))[Symbol.asyncDispose]();
  await refused(other.url, /already holds a store, which is another one.*fleet_exists/);
  const [store, aside] = ['store', 'store.moved'].map((name) => join(house.fleet, `authority/${name}.db`)) as [
    string,
    string,
  ];
  const edit = (sql: string) => {
    const database = new DatabaseSync(store);
    database.exec(sql);
    database.close();
  };
  edit(`INSERT INTO settings VALUES ('bad', 'a' || char(0) || 'b')`);
  await refused(url, /"value" of the row \["bad"\] of "settings" holds U\+0000/);
  edit(`DELETE FROM settings WHERE name = 'bad'`);
  assert.deepEqual(await ask('SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema]), []);

  // Killed among the rows nothing is there; killed when all is there and nobody knows, the next try takes it as it is.
  for (const [words, rows] of [
    ['INSERT INTO "certificates"', 0],
    ['commit\0', 1],
  ] as const) {
    const before = await silentAfter(context, words);
    const killed = new Running(launchOf('portcullis', {}), 'migrate', house.fleet, '--to', urlOf(schema, before.port));
    await before.silent;
    const gone = once(killed.process, 'exit');
    killed.process.kill('SIGKILL');
    await gone;
    const found = await ask('SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema]);
    assert.equal(found.length, rows, words);
    assert.equal(readFileSync(file, 'utf8'), written);
  }
  const made = () => ask(`SELECT xmin FROM ${schema}.head`);
  const before = await made();
  const [moved] = await house.json<{ rows: number }>('migrate', '--to', url);
  assert.ok((moved?.rows ?? 0) > 20);
  assert.deepEqual(await made(), before);
  assert.equal(readFileSync(file, 'utf8'), `${written}store: ${JSON.stringify(url)}\n`);
  assert.equal(existsSync(store), false);
  assert.match((await migrate(url)).out, /nothing to do/);
  // As a crash leaves it that comes between the two.
  renameSync(aside, store);
  assert.match((await migrate(url)).out, /its file was put aside/);
  assert.deepEqual([existsSync(store), existsSync(aside)], [false, true]);

  await house.startAuthority();
  await house.startGate();
  assert.equal(await send('after'), 202);
  for (const [status, answer] of [
    ['stolen', 403],
    ['active', 202],
  ] as const) {
    assert.equal(
      (await house.change('attribute', 'set', 'truck-1', `status=${status}`, '--reason', 'a test')).confirmed,
      true,
    );
    assert.equal(await send(status), answer);
  }
  const [verified] = await house.json<{ valid: boolean; headFile: boolean; gates: object }>('journal', 'verify');
  assert.deepEqual([verified?.valid, verified?.headFile], [true, true]);
  const second = await house.device('truck-2', { status: 'active' });
  assert.ok(existsSync(second));

  // Who takes the line out again does not find an old store.
  await house.authority?.stop();
  writeFileSync(file, written);
  assert.match((await house.portcullis('upgrade')).error, /was moved to PostgreSQL, and its file is out of date/);
});
