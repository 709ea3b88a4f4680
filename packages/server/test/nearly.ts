import fc from 'fast-check';

/** Bytes that are nearly right: some are other than they were, some are gone, some are there twice. */
export const nearly = (whole: Buffer) =>
  fc
    .array(
      fc.record({
        at: fc.nat(whole.length - 1),
        how: fc.constantFrom('other', 'gone', 'twice', 'more'),
        byte: fc.integer({ min: 0, max: 255 }),
      }),
      { minLength: 1, maxLength: 4 },
    )
    .map((changes) => changes.reduce(changed, whole));

function changed(before: Buffer, { at, how, byte }: { at: number; how: string; byte: number }): Buffer {
  const [head, tail] = [before.subarray(0, at), before.subarray(at)];
  if (how === 'gone') return Buffer.concat([head, tail.subarray(1 + (byte % 8))]);
  if (how === 'twice') return Buffer.concat([head, tail, tail.subarray(0, byte)]);
  return Buffer.concat([head, Buffer.of(byte), tail.subarray(how === 'other' ? 1 : 0)]);
}
