/** `portcullis up`: nothing hangs, nothing stays down, and where nothing can come of it, it ends and leaves nothing running. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { renameSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { standStill } from '../../../../../test/standstill.ts';
import { finished, Running } from '../../../../../tools/commands.ts';
import { eventually, House } from '../../house.ts';

let house: House;
/** A gate of another house hangs from the beginning: that is found after half a minute, in which the other tests run. */
let otherHouse: House;
let hung: { up: Running; gate: number | undefined; authority: number | undefined };
before(async () => {
  [house, otherHouse] = await Promise.all([stoppedHouse(), stoppedHouse()]);
  const up = await upAndListening(otherHouse);
  hung = { up, gate: childOf(up, 'gate'), authority: childOf(up, 'authority') };
  standStill(hung.gate);
});
after(async () => {
  await hung?.up.stop();
  await otherHouse?.close();
  await house?.close();
});

async function stoppedHouse(): Promise<House> {
  const made = await House.open();
  await made.gate?.stop();
  await made.authority?.stop();
  return made;
}

const patienceMs = 60_000;

async function listening(port: number): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return server;
}

async function portsAreFree({ basePort } = house): Promise<void> {
  for (const offset of [0, 1, 3]) (await listening(basePort + offset)).close();
}

async function upAndListening({ fleet } = house, context?: TestContext): Promise<Running> {
  const up = new Running('portcullis', 'up', fleet);
  context?.after(() => up.stop());
  await Promise.all([up.line(/^authority listening/, patienceMs), up.line(/^gate listening/, patienceMs)]);
  return up;
}

/** Undefined while there is none. */
function childOf(up: Running, role: string): number | undefined {
  const words = ['-P', String(up.process.pid), '-f', `start ${role} `];
  const found = spawnSync('pgrep', words, { encoding: 'utf8' }).stdout.trim();
  return found === '' ? undefined : Number(found);
}

function kill(child: number | undefined, signal: NodeJS.Signals): void {
  assert.ok(child !== undefined);
  process.kill(child, signal);
}

for (const [what, offset] of [
  ['API', 0],
  ['enrolment', 1],
  ['gate', 3],
] as const) {
  test(`up ends with 1 when the port of the ${what} is taken: it is named, and all others are free`, async () => {
    const port = house.basePort + offset;
    const squatter = await listening(port);
    const { status, error } = await finished('portcullis', 'up', house.fleet);
    squatter.close();
    assert.equal(status, 1);
    assert.match(error, new RegExp(`127\\.0\\.0\\.1:${port} is taken by another process; stop that one, or change`));
    assert.match(error, /did not start: it said why above \(port_taken\)/);
    await portsAreFree();
  });
}

test('up ends with 1 when a credential is missing, a key can not be read, or the store is held', async () => {
  for (const [file, words] of [
    ['gate/credential.json', /there is no credential .*the gate did not start.*\(credential_unusable\)/s],
    ['authority/keys/issuer-device.pem', /the authority did not start.*\(key_unusable\)/s],
  ] as const) {
    const path = join(house.fleet, file);
    renameSync(path, `${path}.aside`);
    const { status, error } = await finished('portcullis', 'up', house.fleet);
    renameSync(`${path}.aside`, path);
    assert.equal(status, 1);
    assert.match(error, words);
    await portsAreFree();
  }
  await house.startAuthority();
  const { status, error } = await finished('portcullis', 'up', house.fleet);
  assert.equal(status, 1);
  assert.match(error, new RegExp(`another process \\(${house.authority?.process.pid}\\) holds ".*store\\.lock"`));
  await house.authority?.stop();
});

test('a second up on the same fleet ends with 1 and says who holds it; the first goes on', async (context) => {
  const up = await upAndListening(house, context);
  const { status, error } = await finished('portcullis', 'up', house.fleet);
  assert.equal(status, 1);
  assert.match(error, new RegExp(`another process \\(${up.process.pid}\\) holds ".*up\\.lock".*\\(store_locked\\)`));
  assert.equal((await house.json('gate', 'list')).length, 1);
  await up.stop();
  await portsAreFree();
});

test('a gate whose restart fails is tried again until it listens, and each end is told', async (context) => {
  const up = await upAndListening(house, context);
  const port = house.basePort + 3;
  kill(childOf(up, 'gate'), 'SIGKILL');
  await up.line(/the gate ended \(SIGKILL\); starting it again in 1 s/, patienceMs);
  const squatter = await listening(port);
  await up.line(/the gate ended \(port_taken\); starting it again in 2 s/, patienceMs);
  await new Promise((resolve) => squatter.close(resolve));
  await eventually(
    async () => (await house.json<{ lease: string }>('gate', 'list')).some(({ lease }) => lease === 'held'),
    'the gate listens again',
    patienceMs,
  );
  await up.stop();
  await portsAreFree();
});

test('a gate that hangs is ended and started again, and nothing else is', async () => {
  const { up, gate, authority } = hung;
  await up.line(/the gate lives and does not answer; ending it/, 2 * patienceMs);
  await eventually(() => ![gate, undefined].includes(childOf(up, 'gate')), 'another gate is started', patienceMs);
  assert.equal(childOf(up, 'authority'), authority);
  await up.stop();
  await portsAreFree(otherHouse);
});

test('both end by themselves when up is killed', async (context) => {
  const up = await upAndListening(house, context);
  await up.kill();
  await eventually(
    () =>
      portsAreFree().then(
        () => true,
        () => false,
      ),
    'the ports are free',
    patienceMs,
  );
});
