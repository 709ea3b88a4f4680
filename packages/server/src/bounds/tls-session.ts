/** Of a session as OpenSSL writes it (`SSL_SESSION_ASN1`): the leaf that the other side presented, and the group its keys were agreed in. */
const fields = { peer: 3, group: 19 } as const;

const [sequence, contextConstructed] = [0x30, 0xa0];
const longLengthBytesMax = 3;

interface Element {
  tag: number;
  from: number;
  to: number;
}

function elementAt(bytes: Buffer, at: number, end: number): Element | undefined {
  const [tag, first] = [bytes[at], bytes[at + 1]];
  if (tag === undefined || first === undefined) return undefined;
  const longBytes = first < 0x80 ? 0 : first - 0x80;
  const from = at + 2 + longBytes;
  if (longBytes > longLengthBytesMax || from > end || first === 0x80) return undefined;
  const to = from + (longBytes === 0 ? first : bytes.readUIntBE(at + 2, longBytes));
  return to > end ? undefined : { tag, from, to };
}

/**
 * What stands in a field of a session; undefined: there is none, or these bytes are no session. Taking the leaf from here costs a tenth of asking for
 * the peer's certificate, of which each name, date and number is made a text.
 */
export function sessionField(session: Buffer | undefined, field: keyof typeof fields): Buffer | undefined {
  const whole = session && elementAt(session, 0, session.length);
  if (whole?.tag !== sequence) return undefined;
  const wanted = contextConstructed + fields[field];
  for (let at = whole.from; at < whole.to; ) {
    const element = elementAt(session as Buffer, at, whole.to);
    if (!element) return undefined;
    if (element.tag === wanted) return session?.subarray(element.from, element.to);
    at = element.to;
  }
  return undefined;
}
