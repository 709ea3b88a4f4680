/** Bytes that are no request: how they are answered, and what is wrong with them. */
export interface WireRefused {
  status: 400 | 408 | 417 | 431 | 501 | 505;
  detail: string;
}

/** What stands before the body of a request. */
export interface Head {
  method: string;
  url: string;
  /** Names in lower case, each followed by its value. */
  fields: readonly string[];
  /** Of its body; undefined: it comes in chunks. */
  length: number | undefined;
  /** The sender will ask more over this connection. */
  keepsAlive: boolean;
  isOfOldVersion: boolean;
  awaitsContinue: boolean;
}

const headBytesMax = 16_384;
const fieldsMax = 100;
/** `Number` knows so many digits exactly. */
const lengthDigitsMax = 15;
const grownBytesMin = 1_024;

const [tab, lineFeed, carriageReturn, space, colon, slash, nought, nine, deleted] = [
  0x09, 0x0a, 0x0d, 0x20, 0x3a, 0x2f, 0x30, 0x39, 0x7f,
];

/** RFC 9110 §5.6.2. */
export const isTokenByte = new Uint8Array(256);
for (const letter of "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
  isTokenByte[letter.charCodeAt(0)] = 1;

/** Those that some route could know; the answer to any other is that nobody here does (RFC 9110 §15.6.2). */
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE']);
/** RFC 9112 §3.2.2: where it does not begin with a slash, and is no asterisk, it names a server. */
const namesServer = /^https?:\/\/[A-Za-z0-9._~:[\]-]+(?:[/?]|$)/i;
const versions = /^HTTP\/\d\.\d$/;
/** RFC 3986 §3.2.2 and §3.2.3, and nothing at all (RFC 9112 §3.2). */
const hostForm = /^[A-Za-z0-9._~!$&'()*+,;=%:[\]-]*$/;

/** Two of these, and it is open which one counts. */
const onlyOnce = new Set([
  ...['host', 'content-length', 'transfer-encoding', 'content-type', 'content-encoding', 'expect'],
  'portcullis-trace-id',
]);
/** What is said often is not made anew each time. */
const usualNames = new Map<number, [name: string, bytes: Buffer][]>();
for (const name of [...onlyOnce, 'accept', 'accept-encoding', 'connection', 'user-agent']) {
  const ofLength = usualNames.get(name.length) ?? [];
  usualNames.set(name.length, [...ofLength, [name, Buffer.from(name, 'latin1')]]);
}

const nothing: Buffer = Buffer.alloc(0);

const refusedAs = (status: WireRefused['status'], detail: string): WireRefused => ({ status, detail });

/**
 * The head of a request as RFC 9112 has it and no other way, byte by byte: what is said of it does not depend on how it is cut to pieces. Lines end
 * with CR LF, none is folded, no name is followed by white space, and there is one way to tell where the body ends.
 */
export class HeadReader {
  /** What came of a head that is not whole yet; else empty. */
  #held: Buffer = nothing;
  #heldBytes = 0;
  /** From the first byte of the head: what was looked at, and where the line began. */
  #at = 0;
  #lineAt = 0;
  #hasSkippedLine = false;
  #begun: LineByLine | undefined;
  /** Where in the last piece the head ended. */
  endsAt = 0;

  /** Part of a head is there. */
  get hasBegun(): boolean {
    return this.#heldBytes > 0;
  }

  /** The piece from `from` on belongs to it. Undefined: all of it does, and it has not ended. */
  read(piece: Buffer, from: number): Head | WireRefused | undefined {
    if (this.#heldBytes === 0) {
      const outcome = this.#scan(piece, from, piece.length);
      if (outcome === undefined) this.#hold(piece, from);
      else this.#ended(from + this.#at);
      return outcome;
    }
    const before = this.#heldBytes;
    this.#hold(piece, from);
    const outcome = this.#scan(this.#held, 0, this.#heldBytes);
    if (outcome !== undefined) this.#ended(from + this.#at - before);
    return outcome;
  }

  #ended(at: number): void {
    this.endsAt = at;
    this.#held = nothing;
    this.#heldBytes = 0;
    this.#at = 0;
    this.#lineAt = 0;
    this.#hasSkippedLine = false;
    this.#begun = undefined;
  }

  /** No more of it than there may be. */
  #hold(piece: Buffer, from: number): void {
    const taken = Math.min(piece.length - from, headBytesMax - this.#heldBytes);
    const needed = this.#heldBytes + taken;
    if (needed > this.#held.length) {
      const grown = Buffer.allocUnsafeSlow(Math.min(headBytesMax, Math.max(grownBytesMin, 2 * needed)));
      this.#held.copy(grown, 0, 0, this.#heldBytes);
      this.#held = grown;
    }
    piece.copy(this.#held, this.#heldBytes, from, from + taken);
    this.#heldBytes = needed;
  }

  #scan(bytes: Buffer, base: number, end: number): Head | WireRefused | undefined {
    const last = Math.min(end, base + headBytesMax);
    for (let at = base + this.#at; at < last; at++) {
      const byte = bytes[at] as number;
      if ((byte >= space && byte !== deleted) || byte === tab) continue;
      if (byte !== carriageReturn) return refusedAs(400, strayByte(byte));
      if (at + 1 === last) {
        this.#at = at - base;
        return this.#overflowing(last - base);
      }
      if (bytes[at + 1] !== lineFeed) return refusedAs(400, strayByte(byte));
      const outcome = this.#line(bytes, base + this.#lineAt, at);
      at++;
      this.#lineAt = at + 1 - base;
      if (outcome === undefined) continue;
      this.#at = this.#lineAt;
      return outcome;
    }
    this.#at = last - base;
    return this.#overflowing(this.#at);
  }

  #overflowing(bytes: number): WireRefused | undefined {
    if (bytes < headBytesMax) return undefined;
    return refusedAs(431, `the head is larger than ${headBytesMax} bytes`);
  }

  #line(bytes: Buffer, from: number, to: number): Head | WireRefused | undefined {
    if (this.#begun) return from === to ? this.#begun.end() : this.#begun.field(bytes, from, to);
    if (from === to) {
      // RFC 9112 §2.2: one that stands before a request says nothing.
      if (this.#hasSkippedLine) return refusedAs(400, 'more than one empty line stands before the request');
      this.#hasSkippedLine = true;
      return undefined;
    }
    const begun = requestLine(bytes, from, to);
    if ('status' in begun) return begun;
    this.#begun = new LineByLine(begun);
    return undefined;
  }
}

function strayByte(byte: number): string {
  if (byte === lineFeed) return 'a line ends without a carriage return';
  if (byte === carriageReturn) return 'a carriage return stands within a line';
  return `the head has a control character, 0x${byte.toString(16).padStart(2, '0')}`;
}

interface RequestLine {
  method: string;
  url: string;
  isOfOldVersion: boolean;
}

/** RFC 9112 §3: method, target and version, with one space between them. */
function requestLine(bytes: Buffer, from: number, to: number): RequestLine | WireRefused {
  const malformed = 'the first line is not "METHOD /target HTTP/1.1"';
  let at = from;
  while (at < to && isTokenByte[bytes[at] as number] === 1) at++;
  if (at === from || bytes[at] !== space) return refusedAs(400, malformed);
  const method = bytes.toString('latin1', from, at);
  const targetAt = ++at;
  while (at < to && (bytes[at] as number) > space && (bytes[at] as number) < deleted) at++;
  if (at === targetAt || bytes[at] !== space) return refusedAs(400, malformed);
  const url = bytes.toString('latin1', targetAt, at);
  const version = bytes.toString('latin1', at + 1, to);
  if (version !== 'HTTP/1.1' && version !== 'HTTP/1.0') {
    if (!versions.test(version)) return refusedAs(400, malformed);
    return refusedAs(505, `the version is "${version}"; it must be one of [HTTP/1.1, HTTP/1.0]`);
  }
  if (!methods.has(method)) {
    return refusedAs(501, `the method is unknown; it must be one of [${[...methods].join(', ')}]`);
  }
  if (bytes[targetAt] !== slash && url !== '*' && !namesServer.test(url)) {
    return refusedAs(400, 'the target must begin with "/" or "https://", or be "*"');
  }
  return { method, url, isOfOldVersion: version === 'HTTP/1.0' };
}

/** A head whose first line is known. */
class LineByLine {
  readonly #first: RequestLine;
  readonly #fields: string[] = [];
  #length: number | undefined;
  #isChunked = false;
  #hasHost = false;
  #closes = false;
  #awaitsContinue = false;

  constructor(first: RequestLine) {
    this.#first = first;
  }

  field(bytes: Buffer, from: number, to: number): WireRefused | undefined {
    let at = from;
    while (at < to && isTokenByte[bytes[at] as number] === 1) at++;
    if (at === from || bytes[at] !== colon) return refusedAs(400, nameless(bytes, from, at, to));
    const name = nameOf(bytes, from, at);
    let [start, end] = [at + 1, to];
    while (start < end && isBlank(bytes[start] as number)) start++;
    while (end > start && isBlank(bytes[end - 1] as number)) end--;
    if (this.#fields.length === 2 * fieldsMax) return refusedAs(431, `there are more than ${fieldsMax} headers`);
    if (onlyOnce.has(name) && this.#has(name)) return refusedAs(400, `"${name}" stands there twice`);
    const value = bytes.toString('latin1', start, end);
    this.#fields.push(name, value);
    return this.#heed(name, value);
  }

  /** A value may be the name of another header. */
  #has(name: string): boolean {
    for (let at = 0; at < this.#fields.length; at += 2) if (this.#fields[at] === name) return true;
    return false;
  }

  #heed(name: string, value: string): WireRefused | undefined {
    switch (name) {
      case 'host':
        this.#hasHost = true;
        return hostForm.test(value) ? undefined : refusedAs(400, 'the host is no name or address');
      case 'content-length':
        this.#length = lengthOf(value);
        return this.#length === undefined ? refusedAs(400, 'the content-length is no number of bytes') : undefined;
      case 'transfer-encoding':
        this.#isChunked = true;
        return /^chunked$/i.test(value) ? undefined : refusedAs(400, 'the transfer-encoding must be "chunked"');
      case 'connection':
        this.#closes ||= /(?:^|[\t ,])close(?:$|[\t ,])/i.test(value);
        return undefined;
      case 'expect':
        this.#awaitsContinue = /^100-continue$/i.test(value);
        return this.#awaitsContinue ? undefined : refusedAs(417, 'the expectation must be "100-continue"');
      default:
        return undefined;
    }
  }

  end(): Head | WireRefused {
    const { isOfOldVersion } = this.#first;
    if (!this.#hasHost && !isOfOldVersion) return refusedAs(400, 'there is no host');
    if (this.#isChunked && this.#length !== undefined) {
      return refusedAs(400, 'there are a content-length and a transfer-encoding; there must be one of them');
    }
    // RFC 9112 §6.1: it did not know what it said.
    if (this.#isChunked && isOfOldVersion) return refusedAs(400, 'HTTP/1.0 has no transfer-encoding');
    return {
      ...this.#first,
      fields: this.#fields,
      length: this.#isChunked ? undefined : (this.#length ?? 0),
      keepsAlive: !this.#closes && !isOfOldVersion,
      awaitsContinue: this.#awaitsContinue && !isOfOldVersion,
    };
  }
}

const isBlank = (byte: number) => byte === space || byte === tab;

function nameless(bytes: Buffer, from: number, at: number, to: number): string {
  if (isBlank(bytes[from] as number)) return 'a header is folded';
  if (at < to && isBlank(bytes[at] as number)) return 'white space stands before the colon of a header';
  return 'a header is not "name: value"';
}

function nameOf(bytes: Buffer, from: number, to: number): string {
  for (const [name, letters] of usualNames.get(to - from) ?? []) {
    let at = 0;
    // A letter and the same in upper case differ by this bit; no other byte of a name becomes a letter or a hyphen by it.
    while (at < letters.length && ((bytes[from + at] as number) | 0x20) === letters[at]) at++;
    if (at === letters.length) return name;
  }
  return bytes.toString('latin1', from, to).toLowerCase();
}

function lengthOf(value: string): number | undefined {
  if (value.length === 0 || value.length > lengthDigitsMax) return undefined;
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at);
    if (code < nought || code > nine) return undefined;
  }
  return Number(value);
}
