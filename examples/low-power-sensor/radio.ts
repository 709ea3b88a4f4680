/** One confirmable message at a time over UDP, sent again until it is answered (RFC 7252 §4.2). */
import { randomInt } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type Datagram, messageTypes, parseDatagram, writeDatagram } from '../../packages/server/src/oscore/oscore.ts';

export interface RadioParts {
  host: string;
  port: number;
  /** ACK_TIMEOUT and MAX_RETRANSMIT of RFC 7252 §4.8. */
  firstWaitMs?: number;
  repeatsMax?: number;
  /** Every datagram, as it goes and comes. */
  onDatagram?(direction: 'up' | 'down', bytes: Buffer): void;
}

export class NotHeard extends Error {}

export class Radio {
  readonly #parts: RadioParts;
  #socket: Promise<Socket> | undefined;

  constructor(parts: RadioParts) {
    this.#parts = parts;
  }

  /** Resolves to the first answer of which `read` makes something; others are as good as not there. */
  async ask<Answer>(datagram: Datagram, read: (answer: Datagram) => Answer | undefined): Promise<Answer> {
    const socket = await this.#connected();
    const bytes = writeDatagram(datagram);
    const { firstWaitMs = 2_000, repeatsMax = 4, onDatagram } = this.#parts;
    return await new Promise<Answer>((resolve, reject) => {
      let repeats = 0;
      let timer: NodeJS.Timeout | undefined;
      const over = (end: () => void) => {
        clearTimeout(timer);
        socket.off('message', onMessage);
        socket.off('close', onClose);
        end();
      };
      const send = () => {
        onDatagram?.('up', bytes);
        socket.send(bytes);
        const wait = firstWaitMs * 2 ** repeats * (1 + randomInt(500) / 1_000);
        timer = setTimeout(() => {
          if (repeats++ < repeatsMax) return send();
          over(() => reject(new NotHeard('no answer came')));
        }, wait);
      };
      const onMessage = (received: Buffer) => {
        onDatagram?.('down', received);
        const answer = this.#answerIn(socket, received, datagram);
        const outcome = answer && read(answer);
        if (outcome !== undefined) over(() => resolve(outcome));
      };
      const onClose = () => over(() => reject(new NotHeard('the radio was switched off')));
      socket.on('message', onMessage);
      socket.on('close', onClose);
      send();
    });
  }

  async close(): Promise<void> {
    const socket = await this.#socket;
    if (!socket) return;
    const closed = once(socket, 'close');
    socket.close();
    await closed;
  }

  /** It belongs to the request by its token; one that comes by itself is acknowledged (RFC 7252 §5.2.2). */
  #answerIn(socket: Socket, received: Buffer, { token }: Datagram): Datagram | undefined {
    const answer = parseDatagram(received);
    if ('refused' in answer || answer.code === 0 || !answer.token.equals(token)) return undefined;
    if (answer.type === messageTypes.confirmable) {
      const nothing = Buffer.alloc(0);
      const { messageId } = answer;
      const type = messageTypes.acknowledgement;
      socket.send(writeDatagram({ type, messageId, token: nothing, code: 0, options: [], payload: nothing }));
    }
    return answer;
  }

  #connected(): Promise<Socket> {
    this.#socket ??= (async () => {
      const { host, port } = this.#parts;
      const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
      // Nobody listens there: as if nothing came, for it may be there again when the message is repeated.
      socket.on('error', () => undefined);
      // Nobody else's datagrams come in.
      socket.connect(port, host);
      await once(socket, 'connect');
      return socket;
    })();
    return this.#socket;
  }
}
