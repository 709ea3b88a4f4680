/** What an authority did, in files: each holds some transactions in a row, and says which. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { JournalHash, PortcullisError } from '@portcullis/contract';
import { z } from 'zod';
import { damaged } from './manifest.ts';

/** A transaction alone may be larger than what is gathered into one: a part of a bulk change, a large import. */
export const segmentBytesMax = 256 * 1024 * 1024;
const headerBytesMax = 1024 * 1024;

const Header = z.strictObject({
  format: z.literal('portcullis-segment-1'),
  fleet: z.string().max(64),
  generation: z.string().regex(/^[0-9a-f]{16}\.v\d{1,6}$/),
  /** The number of the first changeset. */
  first: z.int().positive(),
  /** Of each, in bytes. */
  lengths: z.array(z.int().positive()).min(1).max(10_000),
  /** Where the journal was when it was written, or further. */
  head: z.strictObject({ position: z.int().nonnegative(), revision: z.int().nonnegative(), hash: JournalHash }),
  /** Over what is above, and the changesets. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
type Header = z.infer<typeof Header>;

export interface Segment extends Omit<Header, 'format' | 'lengths' | 'sha256'> {
  changesets: Uint8Array[];
}

/** In the order of names they are in order. */
export const nameOf = ({ generation, first }: Pick<Segment, 'generation' | 'first'>): string =>
  `${generation}-${String(first).padStart(15, '0')}.segment`;

export function segmentBytes({ changesets, ...said }: Segment): Buffer {
  const facts = { format: 'portcullis-segment-1' as const, ...said, lengths: changesets.map(({ length }) => length) };
  const payload = Buffer.concat(changesets);
  const header = { ...facts, sha256: digestOf(facts, payload) } satisfies Header;
  return Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), payload]);
}

function digestOf({ format, fleet, generation, first, lengths, head }: Omit<Header, 'sha256'>, payload: Uint8Array) {
  const { position, revision, hash } = head;
  const said = JSON.stringify([format, fleet, generation, first, lengths, position, revision, hash]);
  return createHash('sha256').update(`${said}\n`).update(payload).digest('hex');
}

/** @throws {PortcullisError} `backup_damaged`, which names the file */
export async function readSegment(file: string): Promise<Segment> {
  const bytes = await readFile(file);
  const end = bytes.subarray(0, headerBytesMax).indexOf(10);
  if (end < 0) throw damaged(file, 'is cut off, or no segment of what an authority did');
  const { sha256, lengths, ...header } = parsedHeader(file, bytes.toString('utf8', 0, end));
  const payload = bytes.subarray(end + 1);
  const sum = lengths.reduce((total, length) => total + length, 0);
  if (payload.length < sum) throw damaged(file, 'is cut off');
  if (payload.length > sum || digestOf({ ...header, lengths }, payload) !== sha256) throw damaged(file, 'is altered');
  let from = 0;
  const changesets = lengths.map((length) => {
    from += length;
    return payload.subarray(from - length, from);
  });
  const { format: _, ...said } = header;
  return { ...said, changesets };
}

function parsedHeader(file: string, text: string): Header {
  try {
    return Header.parse(JSON.parse(text));
  } catch (cause) {
    throw new PortcullisError('backup_damaged', `"${file}" is altered, or no segment of what an authority did`, {
      cause,
    });
  }
}

/** Files of a generation, in order. */
export async function segmentFiles(directory: string, generation: string): Promise<string[]> {
  const names = (await readdir(directory)).filter(
    (name) => name.startsWith(`${generation}-`) && name.endsWith('.segment'),
  );
  return names.toSorted().map((name) => join(directory, name));
}
