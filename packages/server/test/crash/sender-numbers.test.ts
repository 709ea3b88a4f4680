/** A sensor is killed wherever it is, again and again, and each time goes on: under one key no number ever protects two messages. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Flash } from '../../../../examples/low-power-sensor/flash.ts';
import {
  type Datagram,
  deriveContext,
  messageTypes,
  openRequest,
  parseDatagram,
  protectAnswer,
  protectionOf,
  unwrapped,
  wrapped,
  writeDatagram,
} from '../../src/oscore/oscore.ts';

const program = join(import.meta.dirname, '../../../../examples/low-power-sensor/low-power-sensor.ts');
const keys = { keyId: 'a1', serverId: '00', masterSecret: '11'.repeat(16), masterSalt: '22'.repeat(8) };
/** Datagrams after which it dies: within the making of a context, and around the ends of blocks of numbers. */
const lives = [1, 2, 3, 15, 16, 17, 18, 33, 34];
const nothing = Buffer.alloc(0);

/** A gate that takes whatever opens, and notes under which number each message came. */
class Recorder {
  readonly seen = new Map<string, string>();
  readonly challenge = randomBytes(16);
  #idContext: Buffer = nothing;

  answerTo(bytes: Buffer): Buffer {
    const datagram = parseDatagram(bytes);
    assert.ok(!('refused' in datagram));
    const protection = protectionOf(datagram.options);
    assert.ok(protection && !('refused' in protection) && protection.partialIv);
    const number = protection.partialIv.toString('hex');
    const message = datagram.payload.toString('hex');
    assert.equal(this.seen.get(number) ?? message, message, `the number ${number} protects two messages`);
    this.seen.set(number, message);
    const named = protection.kidContext && unwrapped(protection.kidContext);
    if (named?.length === 8) return this.#challenged(datagram, named, protection.partialIv);
    this.#idContext = named ?? this.#idContext;
    const context = this.#derived(this.#idContext);
    const opened = openRequest(context, datagram);
    assert.ok('inner' in opened, JSON.stringify(opened));
    const outer = protectAnswer(context, opened.piv, { code: 0x44, options: [], payload: nothing });
    return writeDatagram({ ...datagram, type: messageTypes.acknowledgement, ...outer });
  }

  #challenged(datagram: Datagram, named: Buffer, piv: Buffer): Buffer {
    const context = this.#derived(Buffer.concat([this.challenge, named]));
    const own = { number: 0, kidContext: wrapped(this.challenge) };
    const outer = protectAnswer(context, piv, { code: 0x81, options: [], payload: nothing }, own);
    return writeDatagram({ ...datagram, type: messageTypes.acknowledgement, ...outer });
  }

  #derived(idContext: Buffer) {
    const [masterSecret, salt] = [Buffer.from(keys.masterSecret, 'hex'), Buffer.from(keys.masterSalt, 'hex')];
    return deriveContext({ masterSecret, salt, senderId: Buffer.of(0), recipientId: Buffer.of(0xa1), idContext });
  }
}

test('a sensor that is killed at any moment protects no two messages under one number', async (context) => {
  const home = mkdtempSync(join(tmpdir(), 'portcullis-sensor-'));
  const socket = createSocket('udp4');
  context.after(() => {
    socket.close();
    rmSync(home, { recursive: true });
  });
  const file = join(home, 'sensor.flash');
  Flash.make(file, keys);
  assert.throws(() => Flash.make(file, keys), /EEXIST/, 'keys in use are not flashed again');
  const recorder = new Recorder();
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const gate = `127.0.0.1:${(socket.address() as AddressInfo).port}`;
  for (const [life, datagramsMax] of lives.entries()) {
    const words = [program, 'send', file, '--gate', gate, 'cold', '--count', '1000', '--celsius', String(life)];
    const sensor = spawn(process.execPath, words, { stdio: ['ignore', 'ignore', 'inherit'] });
    let heard = 0;
    socket.on('message', (bytes, from) => {
      const answer = recorder.answerTo(bytes);
      heard++;
      // In every other life the last message has its answer first, so that the sensor is in the midst of the next.
      if (heard < datagramsMax || life % 2 === 0) socket.send(answer, from.port, from.address);
      if (heard === datagramsMax) sensor.kill('SIGKILL');
    });
    await once(sensor, 'exit');
    socket.removeAllListeners('message');
  }
  assert.ok(recorder.seen.size >= 90, `${recorder.seen.size} numbers were seen`);
});
