import type { TLSSocket } from 'node:tls';

export const keyExchanges = ['post-quantum', 'classical', 'unknown'] as const;
export type KeyExchange = (typeof keyExchanges)[number];

/** Groups with ML-KEM in them, by their numbers at IANA (TLS Supported Groups): alone, and with P-256, X25519 and P-384. */
const withMlKem: ReadonlySet<number> = new Set([0x0200, 0x0201, 0x0202, 0x11eb, 0x11ec, 0x11ed]);

/**
 * How the keys of a connection were agreed on. A server is not told by `getEphemeralKeyInfo()`: the group is what OpenSSL writes last of a
 * session, INTEGER in [19].
 */
export function keyExchangeOf(socket: Pick<TLSSocket, 'getSession'>): KeyExchange {
  const session = socket.getSession();
  const [, digits] = /b30[34]020[12]((?:[0-9a-f]{2}){1,2})$/.exec(session?.subarray(-6).toString('hex') ?? '') ?? [];
  if (digits === undefined) return 'unknown';
  return withMlKem.has(Number.parseInt(digits, 16)) ? 'post-quantum' : 'classical';
}
