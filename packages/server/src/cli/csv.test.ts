import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CsvReader, csvField } from './csv.ts';

function records(...pieces: string[]) {
  const reader = new CsvReader();
  return [...pieces.flatMap((piece) => [...reader.read(piece)]), ...reader.end()];
}

test('fields in quotes hold commas, quotes and line breaks; a record knows the line that it begins on', () => {
  assert.deepEqual(records('a,b\r\n"x, ""y""","1\n2"\n\n,last'), [
    { line: 1, fields: ['a', 'b'] },
    { line: 2, fields: ['x, "y"', '1\n2'] },
    { line: 5, fields: ['', 'last'] },
  ]);
});

test('what was written is read, wherever the pieces of a file end', () => {
  const field = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', ' ', 'é', '€', '𝄞') });
  const sheet = fc.array(fc.array(field, { minLength: 2, maxLength: 4 }), { maxLength: 5 });
  fc.assert(
    fc.property(sheet, fc.nat(), (lines, at) => {
      const text = lines.map((fields) => `${fields.map(csvField).join(',')}\r\n`).join('');
      const cut = at % (text.length + 1);
      const found = records(text.slice(0, cut), text.slice(cut)).map(({ fields }) => fields);
      assert.deepEqual(found, lines);
    }),
  );
});

test('a quote where none may be, one that is not closed, and a record without end are refused by their line', () => {
  for (const [text, said] of [
    ['a\nb"c\n', /line 2 .* within a field/],
    ['a\n"b"c\n', /line 2 .* follows a quote/],
    ['a\n\n"b\n\n', /line 3 .* not closed/],
    [`a\n"${'b'.repeat(1024 * 1024)}`, /line 2 .* longer than 1048576/],
  ] as const)
    assert.throws(() => records(text), { code: 'request_malformed', message: said });
});
