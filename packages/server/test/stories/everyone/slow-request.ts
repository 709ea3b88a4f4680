/** A request that its server has judged by its head, and whose body lacks the last byte for as long as the sender likes. */
import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import type { Credential } from '@portcullis/device';

const continued = /^HTTP\/1\.1 100 Continue\r\n\r\n/;

export class SlowRequest {
  readonly #socket: TLSSocket;
  readonly #last: Buffer;
  #heard = '';

  private constructor(socket: TLSSocket, last: Buffer) {
    this.#socket = socket;
    this.#last = last;
    socket.on('data', (bytes: Buffer) => {
      this.#heard += bytes.toString('latin1');
    });
  }

  /** Resolves once the server waits for the rest of the body. */
  static async begin(credential: Credential, path: string, asked: object): Promise<SlowRequest> {
    const { key, certificate, issuer, roots, authority = '' } = credential;
    const { hostname, port, host } = new URL(authority);
    const socket = connect({ host: hostname, port: Number(port), key, cert: certificate + issuer, ca: roots });
    const body = Buffer.from(JSON.stringify(asked));
    const slow = new SlowRequest(socket, body.subarray(-1));
    await once(socket, 'secureConnect');
    const fields = ['content-type: application/json', `content-length: ${body.length}`, 'expect: 100-continue'];
    socket.write(`POST ${path} HTTP/1.1\r\nhost: ${host}\r\n${fields.join('\r\n')}\r\n\r\n`);
    socket.write(body.subarray(0, -1));
    while (!continued.test(slow.#heard)) await once(socket, 'data');
    return slow;
  }

  /** What the server has said to what it has of the request. */
  get answered(): string {
    return this.#heard.replace(continued, '');
  }

  /** Sends the last byte; resolves to the status, and the body's text. */
  async end(): Promise<{ status: number; text: string }> {
    this.#socket.write(this.#last);
    while (!/\r\n\r\n[\s\S]/.test(this.answered)) await once(this.#socket, 'data');
    this.#socket.destroy();
    return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(this.answered)?.[1]), text: this.answered };
  }
}
