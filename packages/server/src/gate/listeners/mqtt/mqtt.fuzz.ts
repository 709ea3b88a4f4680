/** Bytes of MQTT, whatever they are and however they are cut: judged and decoded, or refused by a code; never thrown over, never held. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { generate, type Packet } from 'mqtt-packet';
import { SharedBytes } from '../../../bounds/bounds.ts';
import { checkConnect } from './connect-check.ts';
import { Decoder, decodeConnect } from './decode.ts';
import type { Fault } from './fault.ts';
import { Frames, noRoom } from './frames.ts';
import { checkPacket, type Version } from './wire-check.ts';

const decoders = { 4: new Decoder(4), 5: new Decoder(5) };
const packetBytesMax = 10_000;

/** What is read of a connection's bytes, which come in these pieces. */
function readOf(pieces: readonly Buffer[]): unknown[] {
  const budget = new SharedBytes(100_000);
  const frames = new Frames(packetBytesMax, budget);
  const read: unknown[] = [];
  for (const piece of pieces) {
    frames.add(piece);
    while (!isOver(read)) {
      const next = frames.next();
      if (next === undefined) break;
      read.push(next === noRoom || 'code' in next ? next : judged(frames, next.packet, next.body));
    }
  }
  frames.letGo();
  assert.equal(budget.bytes, 0, 'all memory is given back');
  return read;
}

const isOver = (read: unknown[]) => {
  const last = read.at(-1);
  return last === noRoom || (typeof last === 'object' && last !== null && 'code' in last);
};

function judged(frames: Frames, packet: Buffer, body: number): unknown {
  if (frames.version !== undefined) {
    const fault = checkPacket(packet, body, frames.version);
    return fault ? sound(fault) : plain(decoders[frames.version].decode(packet));
  }
  const checked = checkConnect(packet, body);
  if ('fault' in checked) return sound(checked.fault);
  frames.version = checked.version;
  return plain(decodeConnect(packet, checked.version));
}

function sound(fault: Fault): Fault {
  assert.ok(fault.code === 1 || (fault.code >= 0x80 && fault.code <= 0xa2), `code ${fault.code}`);
  assert.ok(fault.words.length > 0);
  return fault;
}

/** What passed the judge is something to the decoder. */
function plain(packet: Packet | undefined): unknown {
  assert.ok(packet, 'it is decoded');
  return JSON.parse(JSON.stringify(packet));
}

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((one) => !/[+#]|\p{Cc}/u.test(one));
const identifier = fc.integer({ min: 1, max: 65_535 });
const properties = fc.record(
  { contentType: text, messageExpiryInterval: fc.nat(), payloadFormatIndicator: fc.boolean(), responseTopic: text },
  { requiredKeys: [] },
);
const publish = fc
  .record({
    topic: text,
    payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    qos: fc.constantFrom(0 as const, 1 as const),
    messageId: identifier,
    retain: fc.boolean(),
    properties,
  })
  .map((one) => ({ cmd: 'publish', dup: false, ...one }) as const);
const subscribe = fc
  .record({ messageId: identifier, topics: fc.array(text, { minLength: 1, maxLength: 5 }) })
  .map(({ messageId, topics }) => {
    return { cmd: 'subscribe', messageId, subscriptions: topics.map((topic) => ({ topic, qos: 0 as const })) } as const;
  });
const other = fc.constantFrom({ cmd: 'pingreq' } as const, { cmd: 'disconnect' } as const);
const talk = fc.record({
  version: fc.constantFrom(4 as Version, 5 as Version),
  clientId: text,
  packets: fc.array(fc.oneof(publish, subscribe, other), { maxLength: 6 }),
  cuts: fc.array(fc.nat(2_000), { maxLength: 8 }),
});
type Talk = typeof talk extends fc.Arbitrary<infer One> ? One : never;

function bytesOf({ version, clientId, packets }: Talk): Buffer {
  const connect = { cmd: 'connect', protocolId: 'MQTT', protocolVersion: version, clientId, clean: true } as const;
  const all: Packet[] = [{ ...connect, keepalive: 60 }, ...packets];
  return Buffer.concat(all.map((packet) => generate(packet, { protocolVersion: version })));
}

function cut(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const ends = [...new Set([...cuts.map((at) => at % (bytes.length + 1)), bytes.length])].toSorted((a, b) => a - b);
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end)).filter(({ length }) => length > 0);
}

const change = fc.record({ at: fc.nat(2_000), kind: fc.constantFrom('set', 'insert', 'remove'), byte: fc.nat(255) });

function changed(bytes: Buffer, changes: { at: number; kind: string; byte: number }[]): Buffer {
  const list = [...bytes];
  for (const { at, kind, byte } of changes) {
    const index = at % Math.max(1, list.length);
    if (kind === 'set') list[index] = byte;
    else if (kind === 'insert') list.splice(index, 0, byte);
    else list.splice(index, 1);
  }
  return Buffer.from(list);
}

/** By what it says; each may be run for as long as one likes. */
export const mqttProperties = {
  'what a client may say is read as it was said, however it is cut': fc.property(talk, (said) => {
    const bytes = bytesOf(said);
    const read = readOf(cut(bytes, said.cuts)) as Record<string, unknown>[];
    assert.deepEqual(
      read.map(({ cmd }) => cmd),
      ['connect', ...said.packets.map(({ cmd }) => cmd)],
    );
    for (const [index, packet] of said.packets.entries()) {
      const { topic, payload } = read[index + 1] as { topic?: string; payload?: { data: number[] } };
      if (packet.cmd !== 'publish') continue;
      assert.equal(topic, packet.topic);
      assert.deepEqual(Buffer.from(payload?.data ?? []), packet.payload);
    }
  }),
  'a talk with bytes changed is read the same however it is cut, to its first fault': fc.property(
    talk,
    fc.array(change, { minLength: 1, maxLength: 4 }),
    (said, changes) => {
      const bytes = changed(bytesOf(said), changes);
      assert.deepEqual(readOf(cut(bytes, said.cuts)), readOf([bytes]));
    },
  ),
  'any bytes at all are read or refused': fc.property(
    fc.uint8Array({ maxLength: 400 }),
    fc.array(fc.nat(400), { maxLength: 8 }),
    (array, cuts) => {
      const bytes = Buffer.from(array);
      assert.deepEqual(readOf(cut(bytes, cuts)), readOf([bytes]));
    },
  ),
};
