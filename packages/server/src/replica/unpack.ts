import { zstdDecompressSync } from 'node:zlib';
import { PackedSubjects, PortcullisError, packedBytesMax } from '@portcullis/contract';

/** One piece of a snapshot. @throws {PortcullisError} `answer_malformed` for what is none, and for what would be longer than one is */
export function unpack(data: string): PackedSubjects {
  let found: unknown;
  try {
    const text = zstdDecompressSync(Buffer.from(data, 'base64'), { maxOutputLength: packedBytesMax });
    found = JSON.parse(text.toString('utf8'));
  } catch (cause) {
    throw new PortcullisError('answer_malformed', 'a piece of a snapshot can not be unpacked', { cause });
  }
  const read = PackedSubjects.safeParse(found);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw new PortcullisError(
    'answer_malformed',
    `a piece of a snapshot is none: ${issue?.path.join('.')}: ${issue?.message}`,
  );
}
