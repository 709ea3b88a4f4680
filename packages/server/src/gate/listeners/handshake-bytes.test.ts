/** A gate with a chain of ML-DSA-65, and strangers without a certificate that hang up once they were answered. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { connect } from 'node:tls';
import { type FrontOptions, OpenFront, until } from '../../../test/open-front.ts';

/** The first words of a client of this Node, with the hybrid key exchange: they are the same for any server, and may be said again. */
async function clientHello(context: TestContext): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  context.after(() => server.close());
  await once(server, 'listening');
  const client = connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  client.on('error', () => undefined);
  const [heard] = await once(server, 'connection');
  const [hello] = await once(heard, 'data');
  client.destroy();
  heard.destroy();
  return hello;
}

class Strangers {
  readonly gate: OpenFront;
  readonly hello: Buffer;

  private constructor(gate: OpenFront, hello: Buffer) {
    [this.gate, this.hello] = [gate, hello];
  }

  static async at(context: TestContext, limits: FrontOptions['limits']): Promise<Strangers> {
    const gate = await OpenFront.open(context, { algorithm: 'ml-dsa-65', ...(limits && { limits }) });
    return new Strangers(gate, await clientHello(context));
  }

  /** What the gate has counted once one of them has hung up; false: it was told nothing. */
  async hangUp(localAddress = '127.0.0.1'): Promise<boolean> {
    const { gate, hello } = this;
    const { unfinishedBytes, turnedAway } = gate.listeners.crowd;
    const socket = connectTcp({ host: '127.0.0.1', port: gate.port, localAddress });
    socket.on('error', () => undefined).once('data', () => socket.destroy());
    socket.write(hello);
    if (!socket.closed) await once(socket, 'close');
    await until(() => {
      const { crowd } = gate.listeners;
      return crowd.unfinishedBytes > unfinishedBytes || crowd.turnedAway > turnedAway;
    }, 'the gate knows what became of it');
    return gate.listeners.crowd.unfinishedBytes > unfinishedBytes;
  }
}

const times = async (count: number, what: () => Promise<boolean>) => {
  const seen: boolean[] = [];
  for (let index = 0; index < count; index++) seen.push(await what());
  return seen;
};

test('P13: who hangs up again and again is told nothing any more; another address gets in', async (context) => {
  const strangers = await Strangers.at(context, { unfinishedBytesPerAddressMax: 65_536 });
  const { gate, hello } = strangers;
  const leaf = await gate.device('truck-17');
  await strangers.hangUp('127.0.0.2');
  const each = gate.listeners.crowd.unfinishedBytes;
  assert.ok(each > 5 * hello.length, `${hello.length} bytes of a stranger brought ${each}`);
  const more = await times(12, () => strangers.hangUp('127.0.0.2'));
  assert.deepEqual([more[0], more.includes(false)], [true, true]);
  const { unfinishedBytes, turnedAway } = gate.listeners.crowd;
  // The last one that was answered may be over it; what a minute gives back while the test runs is a few more.
  assert.ok(
    unfinishedBytes < 65_536 + 4 * each && turnedAway >= 3,
    `${unfinishedBytes} bytes, ${turnedAway} not let in`,
  );
  const agent = gate.agent(leaf);
  context.after(() => agent.destroy());
  assert.equal((await gate.post(agent, '{}')).status, 202);
  const { body } = await gate.get(gate.agent(await gate.device('alice', { kind: 'operator' })), '/v1/metrics');
  assert.match(String(body.text), /^portcullis_gate_unfinished_handshake_bytes_total [1-9]\d+$/m);
});

test('devices that share an address with strangers who hang up get in all the time', async (context) => {
  const strangers = await Strangers.at(context, { unfinishedBytesPerAddressMax: 65_536 });
  const { gate } = strangers;
  const leaf = await gate.device('truck-17');
  for (let index = 0; index < 12; index++) {
    assert.equal(await strangers.hangUp(), true);
    const agent = gate.agent(leaf);
    assert.equal((await gate.post(agent, '{}')).status, 202);
    agent.destroy();
  }
  const { unfinishedBytes, turnedAway } = gate.listeners.crowd;
  assert.ok(unfinishedBytes > 2 * 65_536 && turnedAway === 0, `${unfinishedBytes} bytes, ${turnedAway} not let in`);
});

test('where strangers of other addresses used up what there is over all, a new address waits and a known one does not', async (context) => {
  const strangers = await Strangers.at(context, { unfinishedBytesMax: 65_536 });
  const { gate } = strangers;
  const leaf = await gate.device('truck-17');
  const [first, second] = [gate.agent(leaf), gate.agent(leaf)];
  context.after(() => second.destroy());
  assert.equal((await gate.post(first, '{}')).status, 202);
  first.destroy();
  for (let index = 2; index < 14; index++) await strangers.hangUp(`127.0.0.${index}`);
  assert.ok(gate.listeners.crowd.turnedAway > 0);
  assert.equal((await gate.post(second, '{}')).status, 202);
});
