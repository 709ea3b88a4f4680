/**
 * Whom a share belongs to: an IPv4 address, or the first half of an IPv6 address, of which one site has a whole network to choose from
 * (RFC 6177 §2, RFC 4291 §2.5.4).
 */
export function addressGroup(address: string): string {
  const [bare = ''] = address.split('%');
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare);
  if (mapped?.[1] !== undefined) return mapped[1];
  return bare.includes(':') ? `${networkOf(bare)}::/64` : bare;
}

const partsOf = (half: string) => half.split(':').filter((part) => part !== '');

/** RFC 4291 §2.2: `::` stands for as many zeros as are missing, and a tail in IPv4's form for two parts. */
function networkOf(address: string): string {
  const [head = '', tail] = address.split('::');
  const [before, after] = [partsOf(head), partsOf(tail ?? '')];
  const missing = tail === undefined ? 0 : 8 - before.length - after.length - (tail.includes('.') ? 1 : 0);
  const parts = [...before, ...Array.from({ length: Math.max(0, missing) }, () => '0'), ...after];
  return parts
    .slice(0, 4)
    .map((part) => Number.parseInt(part, 16).toString(16))
    .join(':');
}
