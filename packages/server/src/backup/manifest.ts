import { JournalHash, PortcullisError } from '@portcullis/contract';
import { z } from 'zod';

/** A file of the fleet's directory, or one in a folder of it: no name leads out of it. */
export const MemberName = z
  .string()
  .max(100)
  .regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/, 'is not the name of a file in a fleet');

/** The first member of a backup: what the others are, so that nothing is taken for what it is not. */
export const Manifest = z.strictObject({
  /** Of this form. */
  format: z.literal('portcullis-backup-1'),
  fleet: z.string().max(64),
  /** Of the program that made it. */
  version: z.string().max(64),
  /** RFC 3339: when it was begun. What was committed before is in it. */
  madeAt: z.iso.datetime(),
  /** Where the journal of the store in it ends. */
  head: z.strictObject({
    position: z.int().nonnegative(),
    revision: z.int().nonnegative(),
    hash: JournalHash,
    revisionHash: JournalHash,
  }),
  /** Secret keys that the fleet had and that are not in it. */
  keysLeftOut: z.array(MemberName).max(1_000),
  members: z
    .array(
      z.strictObject({
        name: MemberName,
        bytes: z.int().nonnegative(),
        /** SHA-256, in hex. */
        sha256: z.string().regex(/^[0-9a-f]{64}$/),
      }),
    )
    .min(1)
    .max(10_000),
});
export type Manifest = z.infer<typeof Manifest>;

export const manifestName = 'manifest.json';
export const manifestBytesMax = 4 * 1024 * 1024;
export const storeName = 'authority/store.db';

export const damaged = (file: string, why: string) => new PortcullisError('backup_damaged', `"${file}" ${why}`);

/** @throws {PortcullisError} `backup_damaged` */
export function parseManifest(file: string, text: string): Manifest {
  try {
    const manifest = Manifest.parse(JSON.parse(text));
    const names = new Set(manifest.members.map(({ name }) => name));
    if (names.size === manifest.members.length && names.has(storeName)) return manifest;
  } catch {
    // Whatever does not fit is said as one thing.
  }
  throw damaged(file, `has no list of what is in it that this program knows; it is no whole backup of a fleet`);
}
