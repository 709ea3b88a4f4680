import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'node:test';
import { der, objectIdentifiers } from '@portcullis/contract';
import { makeCertificate } from './make-certificate.ts';
import { makeList } from './make-list.ts';
import { isListOf, listBytesMax, readList } from './read-list.ts';

const day = 86_400_000;
const now = Date.parse('2026-11-28T12:00:00Z');
const times = { thisUpdate: now, nextUpdate: now + 365 * day };

function makeSigner() {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    algorithm: objectIdentifiers.ecdsaWithSha256,
    publicKey: publicKey.export({ type: 'spki', format: 'der' }),
    sign: async (bytes: Uint8Array) => sign('sha256', bytes, privateKey),
  };
}

const root = makeSigner();
const certificateOf = (subject: string, signer: ReturnType<typeof makeSigner>) =>
  makeCertificate(
    {
      ...{ issuer: subject, issuerPublicKey: signer.publicKey, subject, publicKey: signer.publicKey },
      ...{ serial: Buffer.from('01', 'hex'), notBefore: now, notAfter: now + day, authority: { pathLength: 1 } },
    },
    signer,
  );

const listWith = async (number: number, serials: string[], signer = root) =>
  makeList(
    {
      ...{ issuerCertificate: await certificateOf('root', root), number, ...times },
      entries: serials.map((serial) => ({ serial: Buffer.from(serial, 'hex'), revokedAt: now })),
    },
    signer,
  );

const { sequence, integer, explicit, objectIdentifier, octetString, boolean, time, bitString } = der;

/** A list as somebody else might write it: `extensions` as they are. */
function foreign({ extensions, version = [integer(1)], until = [time(now + day)], entries = [] as Buffer[] }: Foreign) {
  const algorithm = sequence(objectIdentifier(objectIdentifiers.ecdsaWithSha256));
  const listed = entries.length > 0 ? [sequence(...entries)] : [];
  const members = [...version, algorithm, sequence(), time(now), ...until, ...listed];
  const body = sequence(...members, explicit(0, sequence(...extensions)));
  return sequence(body, algorithm, bitString(Buffer.alloc(70)));
}

interface Foreign {
  extensions: Buffer[];
  version?: Buffer[];
  until?: Buffer[];
  entries?: Buffer[];
}

const extension = (id: string, value: Buffer, critical = false) =>
  sequence(objectIdentifier(id), ...(critical ? [boolean(true)] : []), octetString(value));
const numbered = (value: Buffer) => extension('2.5.29.20', value);
const one = numbered(integer(1));
const scope = extension('2.5.29.28', sequence(), true);

test('what was written is read: number, times, and who is on it', async () => {
  const serials = ['00ff'.padEnd(32, '0'), 'ab'.repeat(16)];
  const { number, thisUpdate, nextUpdate, entries } = readList(await listWith(1_800_000_000, serials));
  assert.deepEqual({ number, thisUpdate, nextUpdate }, { number: 1_800_000_000, ...times });
  assert.deepEqual(
    entries,
    serials.map((serial) => ({ serial, revokedAt: now })),
  );
  assert.deepEqual(readList(await listWith(7, [])).entries, []);
});

test('it is the list of a certificate by the name there and by the signature', async () => {
  const [list, forged] = [readList(await listWith(1, [])), readList(await listWith(1, [], makeSigner()))];
  assert.equal(isListOf(list, await certificateOf('root', root)), true);
  assert.equal(isListOf(list, await certificateOf('other', root)), false);
  assert.equal(isListOf(list, await certificateOf('root', makeSigner())), false);
  assert.equal(isListOf(forged, await certificateOf('root', root)), false);
});

const refused: [string, () => Buffer, RegExp][] = [
  ['bytes that are none', () => Buffer.from('hello'), /not one in DER/],
  ['a byte behind it', () => Buffer.concat([foreign({ extensions: [one] }), Buffer.of(0)]), /not one in DER/],
  ['too many bytes', () => Buffer.alloc(listBytesMax + 1), /65536 bytes, and at most 65535/],
  ['version 1', () => foreign({ extensions: [one], version: [] }), /version 2/],
  ['no end', () => foreign({ extensions: [one], until: [] }), /until when it holds/],
  ['no number', () => foreign({ extensions: [] }), /no number/],
  ['a number beyond all', () => foreign({ extensions: [numbered(der.integerOf(Buffer.alloc(9, 1)))] }), /from 1 to/],
  ['a list of one scope', () => foreign({ extensions: [one, scope] }), /critical extension 2\.5\.29\.28/],
  [
    "another issuer's entry",
    () => {
      const entry = sequence(integer(5), time(now), sequence(extension('2.5.29.29', sequence(), true)));
      return foreign({ extensions: [one], entries: [entry] });
    },
    /critical extension 2\.5\.29\.29/,
  ],
];

for (const [name, make, message] of refused) {
  test(`refused: ${name}`, () => {
    assert.throws(() => readList(make()), { code: 'file_unusable', message });
  });
}

test('an entry may say why, as others write it', () => {
  const entry = sequence(integer(5), time(now), sequence(extension('2.5.29.21', Buffer.from('0a0101', 'hex'))));
  const { entries } = readList(foreign({ extensions: [one], entries: [entry] }));
  assert.deepEqual(entries, [{ serial: '5'.padStart(32, '0'), revokedAt: now }]);
});
