import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GateFile } from './gate-config.ts';

const gate = { authority: 'https://localhost:8440', url: 'https://localhost:8443', listen: {}, streams: {} };
const sink = 'postgres:///plant';

test('a spool is for a sink that can be away, and bounded', () => {
  assert.equal(GateFile.parse({ ...gate, sink, spool: {} }).spool?.bytesMax, 256 * 1_048_576);
  assert.equal(GateFile.parse({ ...gate, sink }).spool, undefined);
  const refused: [object, RegExp][] = [
    [{ spool: {} }, /a spool is for a .*that can be away/],
    [{ sink, spool: { bytesMax: 1_000 } }, /16777216/],
    [{ sink, spool: { bytesMax: 2 ** 40 } }, /4294967296/],
    [{ sink, spool: { size: 1 } }, /size/],
    [{ sink, spool: true }, /spool/],
  ];
  for (const [more, words] of refused) {
    const { error } = GateFile.safeParse({ ...gate, ...more });
    assert.match(String(error), words);
  }
});
