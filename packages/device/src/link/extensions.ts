import { PortcullisError } from '@portcullis/contract';

/** One extension of a certificate (RFC 5280 §4.2). */
export interface Extension {
  critical: boolean;
  value: Buffer;
}

/** What a certificate says that Node does not tell of it. Identifiers are the hex of their DER content. */
export interface Facts {
  /** Of the signature's algorithm. */
  signature: string;
  extensions: ReadonlyMap<string, Extension>;
}

interface Element {
  tag: number;
  content: Buffer;
}

/** @throws {PortcullisError} `server_not_verified`: not strict DER */
export function factsOf(der: Buffer): Facts {
  const [tbs, algorithm] = childrenOf(only(der, 0x30));
  const signature = identifierIn(algorithm, 0x30);
  const explicit = childrenOf(contentOf(tbs, 0x30)).find(({ tag }) => tag === 0xa3);
  const extensions = new Map<string, Extension>();
  for (const one of explicit ? childrenOf(only(explicit.content, 0x30)) : []) {
    const [identifier, second, third] = childrenOf(contentOf(one, 0x30));
    const name = contentOf(identifier, 0x06).toString('hex');
    // RFC 5280 §4.2: no extension is there twice.
    if (extensions.has(name)) throw malformed();
    const value = contentOf(third ?? second, 0x04);
    extensions.set(name, { critical: third !== undefined && contentOf(second, 0x01)[0] !== 0, value });
  }
  return { signature, extensions };
}

/** The path length that basicConstraints names (RFC 5280 §4.2.1.9); undefined: none. */
export function pathLengthIn({ value }: Extension): number | undefined {
  const length = childrenOf(only(value, 0x30)).find(({ tag }) => tag === 0x02)?.content;
  if (length === undefined) return undefined;
  const isSmall = length.length === 1 && (length[0] ?? 0x80) < 0x80;
  if (!isSmall) throw malformed();
  return length[0];
}

/** Whether keyUsage has the bit, counted from the first one (RFC 5280 §4.2.1.3). */
export function hasUsage({ value }: Extension, bit: number): boolean {
  const bits = only(value, 0x03).subarray(1);
  return ((bits[Math.floor(bit / 8)] ?? 0) & (0x80 >> (bit % 8))) !== 0;
}

function identifierIn(element: Element | undefined, tag: number): string {
  return contentOf(childrenOf(contentOf(element, tag))[0], 0x06).toString('hex');
}

function only(bytes: Buffer, tag: number): Buffer {
  const [one, ...more] = childrenOf(bytes);
  if (more.length > 0) throw malformed();
  return contentOf(one, tag);
}

function contentOf(element: Element | undefined, tag: number): Buffer {
  if (element?.tag !== tag) throw malformed();
  return element.content;
}

/** Definite lengths in their shortest form alone (X.690 §10.1), tags of one byte. */
function childrenOf(bytes: Buffer): Element[] {
  const found: Element[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at] as number;
    const first = bytes[at + 1] ?? 0x80;
    const more = first < 0x80 ? 0 : first & 0x7f;
    const start = at + 2 + more;
    if ((tag & 0x1f) === 0x1f || first === 0x80 || more > 3 || start > bytes.length) throw malformed();
    const length = more === 0 ? first : bytes.readUIntBE(at + 2, more);
    const isShortest = more === 0 || length >= (more === 1 ? 0x80 : 256 ** (more - 1));
    if (!isShortest || start + length > bytes.length) throw malformed();
    found.push({ tag, content: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return found;
}

const malformed = () => new PortcullisError('server_not_verified', 'a certificate of the chain is not strict DER');
