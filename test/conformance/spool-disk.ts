/** A spool on a real file system of some megabytes: full while the sink is away, and given less room than it holds. PostgreSQL and a JetStream. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { GateStatus } from '@portcullis/contract';
import { eventually, House, post, readingsUrl } from '../../packages/server/test/house.ts';
import { NatsServer, password, skip as skipNats } from '../../packages/server/test/nats-server.ts';
import { Operator } from '../../packages/server/test/operator.ts';
import { Passage } from '../../packages/server/test/passage.ts';
import { freshSchema, skip as skipPostgres } from '../../packages/server/test/postgres.ts';
import { freeBasePort } from '../../tools/commands.ts';

const able = process.platform === 'linux' && process.getuid?.() === 0;
const mounting =
  able || process.env.CI === 'true'
    ? false
    : 'it mounts a small file system, which needs root on Linux: NOT TESTED HERE';

/** What a gate's sink is, and how it goes and comes. */
interface Far {
  sink: string;
  files?: Record<string, string>;
  leave(): Promise<void>;
  comeBack(): Promise<void>;
}

async function inPostgres(context: TestContext): Promise<Far> {
  const port = await freeBasePort();
  const { url } = freshSchema(context, port);
  let passage: Passage | undefined;
  const leave = async () => {
    await passage?.close();
    passage = undefined;
  };
  const comeBack = async () => {
    passage = await Passage.open(5_432, { port, host: '127.0.0.1' });
  };
  context.after(leave);
  await comeBack();
  return { sink: url, leave, comeBack };
}

async function inStream(context: TestContext): Promise<Far> {
  const server = await NatsServer.start(await freeBasePort());
  context.after(() => server.remove());
  const user = server.newUser();
  await server.makeStream(user);
  const sink = `nats://${user}@127.0.0.1:${server.port}/readings?passfile=word`;
  return { sink, files: { word: `${password}\n` }, leave: () => server.kill(), comeBack: () => server.start() };
}

async function houseWith(
  context: TestContext,
  far: Far,
  { mebibytes, bytesMax }: { mebibytes: number; bytesMax: number },
) {
  let mounted = '';
  context.after(() => mounted !== '' && execFileSync('umount', ['--lazy', mounted]));
  const house = await House.open((made) => {
    mounted = join(made.fleet, 'gate');
    const kept = join(made.home, 'kept');
    cpSync(mounted, kept, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m,mode=700`, 'tmpfs', mounted]);
    cpSync(kept, mounted, { recursive: true });
    for (const [name, text] of Object.entries(far.files ?? {}))
      writeFileSync(join(made.fleet, name), text, { mode: 0o600 });
    made.configure('gate.yaml', (text) => `${text}sink: ${far.sink}\nspool: { bytesMax: ${bytesMax} }\n`);
  });
  const operator = new Operator(house.fleet);
  context.after(async () => {
    operator.close();
    await house.close();
  });
  const truck = await operator.enrolled('truck-17', join(house.home, 'truck-17'));
  let sent = 0;
  const send = async (bytes = 60_000) =>
    post(readingsUrl(house), truck, JSON.stringify({ _id: `r${sent++}`, text: 'x'.repeat(bytes) }));
  /** Until one is refused for want of room; resolves to how many were acknowledged. */
  const sendAll = async () => {
    for (let acknowledged = 0; acknowledged < 1_000; ) {
      const answer = await send();
      if (answer.status === 202) acknowledged++;
      else if ((JSON.parse(answer.body) as { reason: string }).reason === 'sink_unavailable') return acknowledged;
    }
    return assert.fail('it has no bound');
  };
  const status = async () => JSON.parse((await operator.ofGate(`${house.gateUrl}/v1/status`)).body) as GateStatus;
  const drained = () => eventually(async () => (await status()).spool?.state === 'empty', 'the spool is empty');
  /** How many of them can be read, each once. */
  const readable = async () => {
    const rows = await house.json<{ id: string }>('readings', 'telemetry');
    assert.equal(new Set(rows.map(({ id }) => id)).size, rows.length);
    return rows.length;
  };
  const takes = () => eventually(async () => (await send(1)).status === 202, 'it takes again');
  return { house, mounted, readable, takes, send, sendAll, status, drained };
}

for (const [name, open, skip] of [
  ['PostgreSQL', inPostgres, mounting || skipPostgres],
  ['JetStream', inStream, mounting || skipNats],
] as const) {
  test(`P8, P13: ${name} away and the disk of the spool full: 503, and all that was acknowledged is stored though it stays full`, {
    skip,
  }, async (context) => {
    const far = await open(context);
    const { mounted, readable, takes, sendAll, status, drained, house } = await houseWith(context, far, {
      mebibytes: 24,
      bytesMax: 256 * 1_048_576,
    });
    await takes();
    await far.leave();
    const acknowledged = 1 + (await sendAll());
    assert.ok(acknowledged > 20);
    assert.ok((await status()).storesNothingSince, 'it is said');
    const told = await house.portcullis('status');
    assert.equal(told.status, 1);
    assert.match(`${told.out}${told.error}`, /gate-1 stores no reading since/);
    // What is left of it, to the last byte.
    try {
      writeFileSync(join(mounted, 'ballast'), Buffer.alloc(32 * 1_048_576));
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
    }
    await far.comeBack();
    await drained();
    assert.equal(await readable(), acknowledged);
    rmSync(join(mounted, 'ballast'));
    await takes();
  });

  test(`P8: a spool before ${name} that is given less room than it holds takes nothing more until that is stored, and loses nothing`, {
    skip,
  }, async (context) => {
    const far = await open(context);
    const { house, readable, send, takes, status, drained } = await houseWith(context, far, {
      mebibytes: 48,
      bytesMax: 32 * 1_048_576,
    });
    await takes();
    await far.leave();
    for (let number = 0; number < 300; number++)
      await eventually(async () => (await send()).status === 202, 'it is taken');
    await house.gate?.stop();
    house.configure('gate.yaml', (text) => text.replace(/bytesMax: \d+/, `bytesMax: ${16 * 1_048_576}`));
    await house.startGate();
    await eventually(async () => (await status()).leaseEndsInMs > 0, 'it decides');
    const { spool } = await status();
    assert.equal(spool?.readings, 300);
    assert.ok(spool.bytes > spool.bytesMax);
    assert.equal((await send(1)).status, 503);
    const told = await house.portcullis('status');
    assert.match(`${told.out}${told.error}`, /300 acknowledged readings since \S+ in the spool of gate-1, 100 % full/);
    await far.comeBack();
    await drained();
    assert.equal(await readable(), 301);
    await takes();
  });
}
