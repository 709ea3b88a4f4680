/** What meets a file that somebody wrote, in CSV or as a line of JSON for each row. */
import assert from 'node:assert/strict';
import { PortcullisError } from '@portcullis/contract';
import fc from 'fast-check';
import { CsvReader, csvField } from './csv.ts';
import { type Format, type FoundRow, rowsIn } from './import-rows.ts';

type Read = { rows: FoundRow[]; refused?: string };

async function* given(pieces: readonly string[]): AsyncGenerator<string> {
  yield* pieces;
}

/** What was read before it was refused counts too: an import may have taken it. */
async function read(pieces: readonly string[], format: Format): Promise<Read> {
  const rows: FoundRow[] = [];
  try {
    for await (const row of rowsIn(given(pieces), { format, types: new Map([['level', 'number']]) })) rows.push(row);
    return { rows };
  } catch (error) {
    assert.ok(error instanceof PortcullisError, String(error));
    assert.equal(error.code, 'request_malformed');
    return { rows, refused: error.message };
  }
}

const character = fc.constantFrom(
  ',',
  '"',
  '\n',
  '\r',
  '\r\n',
  ' ',
  ':',
  '{',
  '}',
  '[',
  '\0',
  '\uFEFF',
  'a',
  '7',
  'é',
  '😀',
);
const word = fc.constantFrom(
  'subject',
  'kind',
  'public',
  'certificate',
  'fingerprint',
  'standing',
  'level',
  '"subject":',
);
const pieces = fc.array(fc.oneof(character, word, fc.string({ maxLength: 8 })), { maxLength: 60 });
const csv = pieces.map((some) => ['subject,site,level,public,fingerprint,standing\n', ...some]);
const record = { subject: 'pump-1', attributes: { site: 'kiel', level: 2.5 }, public: ['site'] };
const line = JSON.stringify(record);
const nearly = fc
  .array(fc.tuple(fc.nat(line.length - 1), fc.oneof(character, word)), { maxLength: 3 })
  .map((changes) => changes.reduce((all, [at, by]) => all.slice(0, at) + by + all.slice(at + 1), line));
const lines = fc.array(fc.oneof(nearly, fc.json(), fc.string()), { maxLength: 8 }).map((some) => [some.join('\n')]);

const alike = (format: Format) => async (some: string[]) => {
  const whole = await read([some.join('')], format);
  const single = await read([...some.join('')], format);
  assert.deepEqual(await read(some, format), single);
  // What was refused may have been read further in smaller pieces, and no otherwise.
  assert.equal(whole.refused, single.refused);
  if (whole.refused === undefined) assert.deepEqual(whole, single);
  for (const row of whole.rows) if ('row' in row) assert.match(row.row.subject, /^[a-z0-9][a-z0-9._-]{0,62}$/);
};

export const importProperties = {
  'any CSV is rows, or is refused by a code, and is the same however it comes in pieces': fc.asyncProperty(
    fc.oneof(pieces, csv),
    alike('csv'),
  ),
  'any lines are rows, or what is wrong with each, and are the same however they come in pieces': fc.asyncProperty(
    fc.oneof(pieces, lines),
    alike('ndjson'),
  ),
  'what is written as CSV is read as it was': fc.property(
    fc.array(
      fc.array(
        fc.oneof(
          fc.string(),
          pieces.map((some) => some.join('')),
        ),
        { minLength: 2, maxLength: 5 },
      ),
      {
        maxLength: 6,
      },
    ),
    fc.constantFrom('\n', '\r\n'),
    (records, end) => {
      const text = records.map((fields) => fields.map(csvField).join(',') + end).join('');
      const reader = new CsvReader();
      const found = [...reader.read(text), ...reader.end()].map(({ fields }) => fields);
      assert.deepEqual(found, records);
    },
  ),
};
