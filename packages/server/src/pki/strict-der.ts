const depthMax = 32;
/** Universal types (X.680 §8.4): what ends an indefinite length, and those that no structure of certificates or requests has. */
const unknownTypes: readonly number[] = [0, 7, 8, 9, 11, 15];

/**
 * Throws unless these bytes are one value in DER (X.690 §8.1, §10) and nothing behind it: lengths are definite and as short as can be, and
 * what is constructed is filled to its end. A lenient parser reads other values out of other bytes, and two readers might then not agree.
 */
export function requireDer(bytes: Uint8Array): void {
  const end = requireValue(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, 0);
  if (end !== bytes.length) throw new Error('bytes follow the value');
}

/** Resolves to where the value ends. */
function requireValue(bytes: Buffer, start: number, depth: number): number {
  if (depth > depthMax) throw new Error('the values are nested too deeply');
  const tag = byteAt(bytes, start);
  // X.690 §8.1.2.4: numbers of tags above 30; nothing that is read here has one.
  if ((tag & 0x1f) === 0x1f) throw new Error('a tag has a number that nothing here has');
  if (tag < 0x40 && unknownTypes.includes(tag & 0x1f)) throw new Error('a value has a type that nothing here has');
  const { from, end } = contentOf(bytes, start + 1);
  if (tag & 0x20) {
    let next = from;
    while (next < end) next = requireValue(bytes, next, depth + 1);
    if (next !== end) throw new Error('a value goes beyond the one that it is in');
  } else requireContent(tag, bytes.subarray(from, end));
  return end;
}

function contentOf(bytes: Buffer, at: number): { from: number; end: number } {
  const first = byteAt(bytes, at);
  // X.690 §10.1: no indefinite length (0x80). No more than four bytes say one: what is read here is small.
  const size = first < 0x80 ? 0 : first & 0x7f;
  if (first === 0x80 || size > 4) throw new Error('a length is indefinite, or too long');
  const from = at + 1 + size;
  if (from > bytes.length) throw new Error('a length ends before its end');
  const length = size === 0 ? first : bytes.readUIntBE(at + 1, size);
  if (size > 0 && (length < 0x80 || length < 2 ** (8 * (size - 1)))) throw new Error('a length is not the shortest');
  if (from + length > bytes.length) throw new Error('a value ends before its end');
  return { from, end: from + length };
}

/** X.690 §8.3.2, §8.19.2, §11.1: one way to write a whole number, an object identifier, and a truth. */
function requireContent(tag: number, content: Buffer): void {
  const [first = 0, second = 0] = content;
  if (tag === 0x02) {
    const padded = content.length > 1 && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80));
    if (content.length === 0 || padded) throw new Error('a whole number is not the shortest');
  }
  if (tag === 0x01 && (content.length !== 1 || (first !== 0 && first !== 0xff))) throw new Error('a truth is neither');
  if (tag === 0x06 && !isIdentifier(content)) throw new Error('an object identifier is none, or not the shortest');
}

/** Each of its numbers ends, and none begins with a zero that says nothing. */
function isIdentifier(content: Buffer): boolean {
  let isFirst = true;
  for (const byte of content) {
    if (isFirst && byte === 0x80) return false;
    isFirst = byte < 0x80;
  }
  return isFirst && content.length > 0;
}

function byteAt(bytes: Buffer, at: number): number {
  const byte = bytes[at];
  if (byte === undefined) throw new Error('the bytes end before the value');
  return byte;
}
