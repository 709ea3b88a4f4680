import { BlockList, isIP } from 'node:net';

/** Addresses and networks in CIDR from which a source may send. */
export class Senders {
  readonly #allowed = new BlockList();

  constructor(from: readonly string[]) {
    for (const one of from) {
      const [address = '', bits] = one.split('/');
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
      if (bits === undefined) this.#allowed.addAddress(address, family);
      else this.#allowed.addSubnet(address, Number(bits), family);
    }
  }

  /** A listener of both families has IPv4 in the form of IPv6 (RFC 4291 §2.5.5.2), and a zone behind link-local ones. */
  has(address: string): boolean {
    const [bare = ''] = address.split('%');
    const plain = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1] ?? bare;
    const family = isIP(plain);
    return family !== 0 && this.#allowed.check(plain, family === 6 ? 'ipv6' : 'ipv4');
  }
}
