import { type IConnectPacket, type Packet, type Parser, parser } from 'mqtt-packet';
import type { Version } from './wire-check.ts';

/** Packets that were judged, as values. */
export class Decoder {
  readonly #parser: Parser;
  #decoded: Packet | undefined;
  #error: Error | undefined;

  constructor(version: Version) {
    this.#parser = parser({ protocolVersion: version });
    this.#parser.on('packet', (packet) => {
      this.#decoded = packet;
    });
    this.#parser.on('error', (error: Error) => {
      this.#error = error;
    });
  }

  /** Undefined: the decoder knows something against it that the judge beside it does not. */
  decode(packet: Buffer): Packet | undefined {
    [this.#decoded, this.#error] = [undefined, undefined];
    const left = this.#parser.parse(packet);
    const decoded = this.#error === undefined && left === 0 ? this.#decoded : undefined;
    this.#decoded = undefined;
    return decoded;
  }
}

/** Its decoder keeps what it says, so that each has one of its own. */
export function decodeConnect(packet: Buffer, version: Version): IConnectPacket | undefined {
  const decoded = new Decoder(version).decode(packet);
  return decoded?.cmd === 'connect' ? decoded : undefined;
}
