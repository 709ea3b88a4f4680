import type { Socket } from 'node:net';
import type { Network } from '@portcullis/device';

/** The network, and how many connections of it there were and are. */
export class CountedNetwork implements Network {
  opened = 0;
  open = 0;
  openMost = 0;
  readonly lookup: Network['lookup'];
  readonly #beneath: Network;

  constructor(beneath: Network) {
    this.#beneath = beneath;
    this.lookup = (host) => beneath.lookup(host);
  }

  connect(address: string, port: number): Socket {
    const socket = this.#beneath.connect(address, port);
    socket.once('connect', () => {
      this.opened++;
      this.open++;
      this.openMost = Math.max(this.openMost, this.open);
      socket.once('close', () => {
        this.open--;
      });
    });
    return socket;
  }
}
