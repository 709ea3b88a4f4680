import { type Message, parseRest, writeRest } from './message.ts';
import { malformed, type OscoreRefused } from './refused.ts';

/** RFC 7252 §3. */
export interface Datagram extends Message {
  type: number;
  messageId: number;
  token: Buffer;
}

export const messageTypes = { confirmable: 0, nonConfirmable: 1, acknowledgement: 2, reset: 3 } as const;

const version = 1;
const headerBytes = 4;
const tokenBytesMax = 8;

export function parseDatagram(bytes: Buffer): Datagram | OscoreRefused {
  if (bytes.length < headerBytes) return malformed('shorter than a header');
  const first = bytes[0] as number;
  if (first >> 6 !== version) return malformed(`version ${first >> 6}`);
  const tokenBytes = first & 0x0f;
  if (tokenBytes > tokenBytesMax)
    return malformed(`a token of ${tokenBytes} bytes; at most ${tokenBytesMax} are allowed`);
  const restAt = headerBytes + tokenBytes;
  if (restAt > bytes.length) return malformed('ends within the token');
  const code = bytes[1] as number;
  if (code === 0 && bytes.length > headerBytes) return malformed('an empty message with bytes after its header');
  const rest = parseRest(bytes, restAt);
  if ('refused' in rest) return rest;
  const token = bytes.subarray(headerBytes, restAt);
  return { type: (first >> 4) & 0x03, messageId: bytes.readUInt16BE(2), token, code, ...rest };
}

export function writeDatagram(datagram: Datagram): Buffer {
  const { type, messageId, token, code } = datagram;
  const header = Buffer.from([(version << 6) | (type << 4) | token.length, code, messageId >> 8, messageId & 0xff]);
  return Buffer.concat([header, token, writeRest(datagram)]);
}
