import { sessionField } from '../../bounds/bounds.ts';

export const keyExchanges = ['post-quantum', 'classical', 'unknown'] as const;
export type KeyExchange = (typeof keyExchanges)[number];

/** Groups with ML-KEM in them, by their numbers at IANA (TLS Supported Groups): alone, and with P-256, X25519 and P-384. */
const withMlKem: ReadonlySet<number> = new Set([0x0200, 0x0201, 0x0202, 0x11eb, 0x11ec, 0x11ed]);

const integer = 0x02;

/** How the keys of a connection were agreed on, by its session: a server is not told by `getEphemeralKeyInfo()`. */
export function keyExchangeOf(session: Buffer | undefined): KeyExchange {
  const [tag, bytes = 0, ...digits] = sessionField(session, 'group') ?? [];
  if (tag !== integer || bytes !== digits.length || bytes < 1 || bytes > 2) return 'unknown';
  return withMlKem.has(digits.reduce((group, digit) => group * 256 + digit, 0)) ? 'post-quantum' : 'classical';
}
