/** Datagrams, whatever they are and in whatever order they come: answered by what the RFCs say in a bound of bytes, and nothing is done that its sensor did not ask for, nor done twice. */
import assert from 'node:assert/strict';
import { generate, parse } from 'coap-packet';
import fc from 'fast-check';
import { home, Place } from '../../../../test/coap-place.ts';
import { reading } from '../../../../test/key-sensor.ts';
import { messageTypes, parseDatagram, wrapped, writeDatagram } from '../../../oscore/oscore.ts';
import { datagramBytesMax } from './endpoint.ts';

const bytes = (constraints: fc.IntArrayConstraints) => fc.uint8Array(constraints).map((array) => Buffer.from(array));
const option = fc.record(
  { number: fc.nat({ max: 2_100 }), value: bytes({ maxLength: 20 }) },
  { noNullPrototype: true },
);
const message = fc.record({
  type: fc.constantFrom(...Object.values(messageTypes)),
  code: fc.integer({ min: 1, max: 255 }),
  messageId: fc.nat({ max: 65_535 }),
  token: bytes({ maxLength: 8 }),
  options: fc.array(option, { maxLength: 6 }),
  payload: bytes({ maxLength: 40 }),
});

/** An OSCORE option of the known sensor or of others, in form or nearly so. */
const protectedMessage = fc
  .record({
    message,
    flags: fc.nat({ max: 255 }),
    partialIv: bytes({ maxLength: 6 }),
    kidContext: fc.oneof(bytes({ maxLength: 40 }), bytes({ minLength: 8, maxLength: 32 }).map(wrapped)),
    kid: fc.oneof(fc.constant(Buffer.from('a1b2c3', 'hex')), bytes({ maxLength: 8 })),
  })
  .map(({ message: outer, flags, partialIv, kidContext, kid }) => {
    const value = Buffer.concat([Buffer.of(flags), partialIv, Buffer.of(kidContext.length), kidContext, kid]);
    const options = [...outer.options, { number: 9, value }].toSorted((one, other) => one.number - other.number);
    return writeDatagram({ ...outer, code: 0x02, options });
  });

const datagram = fc.oneof(bytes({ maxLength: 1_400 }), message.map(writeDatagram), protectedMessage);

async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Where a sensor's datagram is spoilt, and how; or that it comes again. */
const passage = fc.record({ which: fc.nat({ max: 11 }), at: fc.nat(), by: fc.nat({ max: 255 }), cut: fc.boolean() });

function spoilt(original: Buffer, { at, by, cut }: { at: number; by: number; cut: boolean }): Buffer {
  const place = at % original.length;
  if (cut) return original.subarray(0, place);
  const copy = Buffer.from(original);
  copy[place] = (copy[place] as number) ^ by;
  return copy;
}

const payloadOf = (index: number) => `{"c":${index}}`;

export const coapProperties = {
  'any datagram gets an answer that is no longer than three of it, or none, and nothing is done for it':
    fc.asyncProperty(fc.array(datagram, { maxLength: 8 }), async (datagrams) => {
      const place = new Place();
      for (const one of datagrams) {
        place.sent.length = 0;
        place.endpoint.receive(one, home);
        await settled();
        assert.ok(place.sent.length <= 1);
        assert.ok((place.sent[0]?.length ?? 0) <= 3 * one.length);
        assert.ok(one.length <= datagramBytesMax || (place.sent[0]?.length ?? 0) <= 14);
      }
      assert.deepEqual([place.asked.length, place.contexts.size], [0, 0]);
    }),
  'of what a sensor sent, spoilt, cut, repeated and in any order, each is done as it was sent, and once':
    fc.asyncProperty(fc.array(passage, { maxLength: 24 }), async (passages) => {
      const place = new Place();
      await place.introduce(reading('t', 'first'));
      const sent = Array.from({ length: 12 }, (_, index) => place.sensor.request(reading('t', payloadOf(index))));
      for (const one of passages) place.endpoint.receive(spoilt(sent[one.which] as Buffer, one), home);
      const done = place.asked.map(({ opened }) => opened.inner.payload.toString());
      assert.equal(new Set(done).size, done.length, 'none twice');
      const asked = new Set(['first', ...sent.map((_, index) => payloadOf(index))]);
      assert.deepEqual(
        done.filter((payload) => !asked.has(payload)),
        [],
      );
    }),
  'what another implementation writes is read as it was meant, and what is written here is read by it': fc.property(
    message,
    ({ code, type, ...rest }) => {
      const isConfirmable = type === messageTypes.confirmable;
      const written = generate({
        code: `${code >> 5}.${String(code & 0x1f).padStart(2, '0')}`,
        ...{ messageId: rest.messageId, token: rest.token, payload: rest.payload, confirmable: isConfirmable },
        ...{ ack: type === messageTypes.acknowledgement, reset: type === messageTypes.reset },
        options: rest.options.map(({ number, value }) => ({ name: number, value })),
      });
      const sorted = rest.options.toSorted((one, other) => one.number - other.number);
      const meant = { code, type, ...rest, options: sorted };
      assert.deepEqual(parseDatagram(written), meant);
      const here = writeDatagram(meant);
      assert.deepEqual(here, written);
      assert.deepEqual(
        [parse(here).messageId, parse(here).token, parse(here).payload],
        [rest.messageId, rest.token, rest.payload],
      );
    },
  ),
};
