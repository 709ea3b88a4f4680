import { lookup as resolveName } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { PortcullisError } from '@portcullis/contract';

export interface Reach {
  /** Loopback, link-local and private addresses too. */
  allowPrivate: boolean;
}

/** RFC 1122 (127/8), RFC 1918, RFC 3927, RFC 6598; RFC 4291 (::1, fe80::/10), RFC 4193. */
const nearby = listOf(
  ['127.0.0.0', 8],
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['169.254.0.0', 16],
  ['100.64.0.0', 10],
  ['::1', 128],
  ['fe80::', 10],
  ['fc00::', 7],
);

/** Of the rest, what no host on the Internet has: RFC 6890, RFC 5771, RFC 1112, RFC 7526. */
const nowhere4 = listOf(
  ['0.0.0.0', 8],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
);

/** Global unicast (RFC 4291 §2.4) without what is written in it for others: Teredo and the like, documentation, 6to4. */
const global6 = listOf(['2000::', 3]);
const nowhere6 = listOf(['2001::', 23], ['2001:db8::', 32], ['2002::', 16], ['3fff::', 20]);

function listOf(...ranges: [address: string, bits: number][]): BlockList {
  const list = new BlockList();
  for (const [address, bits] of ranges) list.addSubnet(address, bits, address.includes(':') ? 'ipv6' : 'ipv4');
  return list;
}

/** `::ffff:10.0.0.1` is 10.0.0.1 to who connects to it (RFC 4291 §2.5.5.2). */
function unmapped(address: string): string {
  const written = isIP(address) === 6 ? new URL(`http://[${address.split('%')[0]}]`).hostname.slice(1, -1) : address;
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(written) ?? [];
  if (high === undefined || low === undefined) return written;
  const bits = Number.parseInt(high, 16) * 65_536 + Number.parseInt(low, 16);
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 255).join('.');
}

/** What may be connected to. */
export function mayReach(address: string, { allowPrivate }: Reach): boolean {
  const plain = unmapped(address);
  const family = isIP(plain);
  if (family === 0) return false;
  const type = family === 6 ? 'ipv6' : 'ipv4';
  if (nearby.check(plain, type)) return allowPrivate;
  if (family === 4) return !nowhere4.check(plain, type);
  return global6.check(plain, type) && !nowhere6.check(plain, type);
}

/** This machine's own. */
export function isLoopback(address: string): boolean {
  const plain = unmapped(address);
  return plain === '::1' || /^127\.\d+\.\d+\.\d+$/.test(plain);
}

export function addressRefused(host: string, address: string): PortcullisError {
  const named = host === address ? `"${host}"` : `"${host}" (${address})`;
  return new PortcullisError(
    'address_not_allowed',
    `${named} is not an address of the Internet; loopback, link-local and private ones need "allowPrivate: true"`,
  );
}

interface Found {
  address: string;
  family: number;
}

/**
 * The addresses of a host that may be connected to; a name may have others beside, which are left. Who connects takes these and asks
 * no more: a name could have another address by then. @throws {PortcullisError} `address_not_allowed`
 */
export async function reachable(
  host: string,
  reach: Reach,
  resolve: typeof resolveName = resolveName,
): Promise<Found[]> {
  const bare = host.replace(/^\[|\]$/g, '');
  const family = isIP(bare);
  const found: Found[] = family
    ? [{ address: bare, family }]
    : await new Promise((taken, failed) => {
        resolve(bare, { all: true }, (error, addresses) => (error ? failed(error) : taken(addresses)));
      });
  const allowed = found.filter(({ address }) => mayReach(address, reach));
  if (allowed.length === 0) throw addressRefused(bare, found[0]?.address ?? 'no address');
  return allowed;
}

/** What a connection asks in place of the resolver: it gets what was checked, whatever it is asked for. */
export function answering(found: readonly Found[]): LookupFunction {
  return (_host, options, taken) => {
    const [first] = found as [Found];
    if (options.all) taken(null, [...found]);
    else taken(null, first.address, first.family);
  };
}
