/** Bytes that come as questions, whatever they are: an answer in a bound of bytes, which OpenSSL's kind of reader can take apart; never thrown over. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { OcspFleet } from '../../test/ocsp-fleet.ts';
import { certificateId, nonceExtension, question } from '../../test/ocsp-question.ts';
import { statusRefusals } from '../pki/pki.ts';
import { DerReader, tags } from '../pki/read-der.ts';

const fleet = await OcspFleet.make();
fleet.tell('4a'.repeat(16));
const answerBytesMax = 16_384;

const bytes = (constraints: fc.IntArrayConstraints) => fc.uint8Array(constraints).map((array) => Buffer.from(array));
const id = fc
  .record({
    serial: fc.oneof(bytes({ minLength: 1, maxLength: 22 }), fc.constant(Buffer.from('4a'.repeat(16), 'hex'))),
    hash: fc.constantFrom('sha1', 'sha256'),
    parameters: fc.boolean(),
  })
  .map((asked) => certificateId(fleet.issuerDer, asked as never));
const wellFormed = fc
  .record({ ids: fc.array(id, { maxLength: 34 }), nonce: fc.option(bytes({ maxLength: 140 })) })
  .map(({ ids, nonce }) => question(ids, nonce ? [nonceExtension(nonce)] : []));

/** Elements in a row, each with a head that may lie about what follows. */
const lying = fc
  .array(
    fc.oneof(
      fc.constantFrom(0x30, 0x04, 0x02, 0x05, 0x06, 0xa0, 0xa1, 0xa2, 0x80, 0x81, 0x82, 0x83, 0x84, 0xff, 0x00, 0x01),
      fc.integer({ min: 0, max: 255 }),
    ),
    { maxLength: 200 },
  )
  .map((array) => Buffer.from(array));

const spoilt = fc
  .record({ whole: wellFormed, at: fc.nat(), by: fc.nat({ max: 255 }), cut: fc.boolean() })
  .map(({ whole, at, by, cut }) => {
    const place = at % whole.length;
    if (cut) return whole.subarray(0, place);
    const copy = Buffer.from(whole);
    copy[place] = (copy[place] as number) ^ by;
    return copy;
  });

function check(asked: Buffer): void {
  // What one address may have signed is not the subject.
  fleet.pass(1);
  fleet.beat();
  const { body, said } = fleet.responder.answer(asked, '192.0.2.1');
  assert.ok(body.length <= answerBytesMax, `${body.length} bytes`);
  if (!said) return assert.ok(Object.values(statusRefusals).some((refusal) => refusal.equals(body)));
  const outer = new DerReader(body);
  const answer = outer.within(tags.sequence);
  outer.end();
  assert.equal(answer.read(0x0a)[0], 0);
}

export const ocspProperties = {
  'any bytes are answered or refused': fc.property(lying, check),
  'any question in form is answered or refused': fc.property(wellFormed, check),
  'any question that was spoilt is answered or refused': fc.property(spoilt, check),
};
