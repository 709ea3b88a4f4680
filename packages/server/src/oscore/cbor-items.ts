/** The few items of CBOR that OSCORE needs (RFC 8949 §3), in their shortest form. */
export const nothing = Buffer.from([0xf6]);

export const integer = (value: number): Buffer => head(0, value);
export const byteString = (bytes: Buffer): Buffer => Buffer.concat([head(0x40, bytes.length), bytes]);
export const textString = (text: string): Buffer => Buffer.concat([head(0x60, text.length), Buffer.from(text)]);

/** Up to 255: none of what is derived or authenticated is longer. */
function head(major: number, value: number): Buffer {
  return value < 24 ? Buffer.from([major | value]) : Buffer.from([major | 24, value]);
}
