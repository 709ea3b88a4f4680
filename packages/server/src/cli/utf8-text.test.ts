import assert from 'node:assert/strict';
import { test } from 'node:test';
import { textIn, textOf } from './utf8-text.ts';

async function* given(pieces: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* pieces;
}

async function read(pieces: readonly Buffer[]): Promise<string> {
  let text = '';
  for await (const piece of textIn(given(pieces))) text += piece;
  return text;
}

const bytewise = (bytes: Buffer) => [...bytes].map((byte) => Buffer.of(byte));

test('text is what it was, however it comes in pieces, and begins behind its mark', async () => {
  const bytes = Buffer.from('\uFEFFsubject,site\r\npump-1,Köln 😀\n\npump-2,Łódź');
  for (const pieces of [[bytes], bytewise(bytes), []])
    assert.equal(await read(pieces), pieces.length === 0 ? '' : bytes.toString().slice(1));
  assert.equal(textOf(bytes), bytes.toString().slice(1));
});

const wrong: [string, Buffer, number][] = [
  ['Windows-1252', Buffer.from('subject,site\npump-1,bonn\npump-2,K\xf6ln\npump-3,bonn\n', 'latin1'), 3],
  ['UTF-16', Buffer.from('\uFEFFsubject\n', 'utf16le'), 1],
  ['a letter that is cut off by its line', Buffer.from('a\nb\xc3\nc', 'latin1'), 2],
  ['a letter that is cut off by the end', Buffer.from('a\nb\xe2\x82', 'latin1'), 2],
  ['half of a surrogate pair', Buffer.from('\xed\xa0\x80', 'latin1'), 1],
  ['an overlong form of a slash', Buffer.from('\xc0\xaf', 'latin1'), 1],
];
for (const [what, bytes, line] of wrong) {
  test(`${what} is refused, with its line`, async () => {
    const refused = { code: 'request_malformed', message: new RegExp(`^line ${line} is not UTF-8`) };
    await assert.rejects(read([bytes]), refused);
    await assert.rejects(read(bytewise(bytes)), refused);
    assert.throws(() => textOf(bytes), refused);
  });
}
