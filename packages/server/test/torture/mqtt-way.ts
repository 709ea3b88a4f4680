/** MQTT as a device speaks it: a connection that stays, and readings that are acknowledged one by one. */
import { connect, type TLSSocket } from 'node:tls';
import { generate, type Packet, parser } from 'mqtt-packet';
import { type Answer, answerMsMax, type Identity, orNone, type Place, readingOf, type Way } from './way.ts';

const refused: Answer = { status: 403, reason: 'not_admitted' };
const silent = (reason: string): Answer => ({ status: 0, reason });

/** A connection from its handshake to its end. */
class Line {
  readonly #socket: TLSSocket;
  readonly #version: 4 | 5;
  readonly #waiting = new Set<(packet: Packet | undefined) => void>();
  #ended = false;
  #number = 0;

  constructor(port: number, { context }: Identity, version: 4 | 5) {
    this.#version = version;
    this.#socket = connect({ host: '127.0.0.1', port, secureContext: context, noDelay: true } as never);
    const parsing = parser({ protocolVersion: version });
    parsing.on('packet', (packet) => this.#hear(packet));
    parsing.on('error', () => this.end());
    this.#socket.on('data', (piece) => parsing.parse(piece));
    this.#socket.on('error', () => this.end());
    this.#socket.once('close', () => this.end());
  }

  get ended(): boolean {
    return this.#ended;
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket.destroy();
    this.#hear(undefined);
  }

  #hear(packet: Packet | undefined): void {
    for (const waiter of [...this.#waiting]) waiter(packet);
  }

  #say(packet: Packet): void {
    this.#socket.write(generate(packet, { protocolVersion: this.#version }));
  }

  /** What `look` makes of a packet, or of the end. */
  #hears(look: (packet: Packet | undefined) => Answer | undefined): Promise<Answer> {
    return new Promise((resolve) => {
      const done = (answer: Answer) => {
        clearTimeout(late);
        this.#waiting.delete(waiter);
        resolve(answer);
      };
      const waiter = (packet: Packet | undefined) => {
        const answer = packet === undefined ? silent('closed without a word') : look(packet);
        if (answer) done(answer);
      };
      const late = setTimeout(() => {
        done(silent('TimeoutError'));
        this.end();
      }, answerMsMax);
      this.#waiting.add(waiter);
      if (this.#ended) waiter(undefined);
    });
  }

  /** 202: it is admitted. */
  connect(clientId: string): Promise<Answer> {
    const usual = { protocolId: 'MQTT', protocolVersion: this.#version, clean: true, keepalive: 60 } as const;
    this.#socket.once('secureConnect', () => this.#say({ cmd: 'connect', clientId, ...usual }));
    return this.#hears((packet) => {
      if (packet?.cmd !== 'connack') return undefined;
      const code = this.#version === 5 ? packet.reasonCode : packet.returnCode;
      if (code === 0) return { status: 202, reason: '' };
      this.end();
      return refused;
    });
  }

  /** MQTT 5 has a content type for several in one; MQTT 3.1.1 sends one behind the other and waits for all. */
  publish(ids: readonly string[]): Promise<Answer> {
    if (this.#version === 5 && ids.length > 1) {
      const payload = ids.map((id) => JSON.stringify(readingOf(id))).join('\n');
      return this.#acknowledged([
        { topic: 'streams/telemetry', payload, properties: { contentType: 'application/x-ndjson' } },
      ]);
    }
    return this.#acknowledged(
      ids.map((id) => ({ topic: `streams/telemetry/${id}`, payload: JSON.stringify({ temperature: id.length }) })),
    );
  }

  #acknowledged(messages: { topic: string; payload: string; properties?: { contentType: string } }[]): Promise<Answer> {
    const left = new Set<number>();
    const heard = this.#hears((packet) => {
      if (packet?.cmd === 'disconnect') return refused;
      if (packet?.cmd !== 'puback') return undefined;
      // One stream, and a reading that fits it: a reason here is one that nothing of a run explains.
      if ((packet.reasonCode ?? 0) !== 0) return { status: 422, reason: `puback ${packet.reasonCode}` };
      left.delete(packet.messageId as number);
      return left.size === 0 ? { status: 202, reason: '' } : undefined;
    });
    for (const message of messages) {
      this.#number = (this.#number % 65_535) + 1;
      left.add(this.#number);
      this.#say({ cmd: 'publish', ...message, messageId: this.#number, qos: 1, dup: false, retain: false });
    }
    return heard;
  }
}

export class MqttWay implements Way {
  readonly most = 5;
  /** What can be taken back ends the connection without a word. */
  readonly tells = false;
  readonly #place: Place;
  readonly #identity: Identity;
  readonly #version: 4 | 5;
  #line: Line | undefined;

  constructor(place: Place, identity: Identity, version: 4 | 5) {
    [this.#place, this.#identity, this.#version] = [place, identity, version];
  }

  send(ids: readonly string[]): Promise<Answer> {
    return orNone(this.#send(ids));
  }

  async #send(ids: readonly string[]): Promise<Answer> {
    if (!this.#line || this.#line.ended) {
      this.#line = new Line(this.#place.mqttPort, this.#identity, this.#version);
      const welcome = await this.#line.connect(this.#identity.credential.subject);
      if (welcome.status !== 202) return welcome;
    }
    return this.#line.publish(ids);
  }

  breakOff(): void {
    this.#line?.end();
  }
}
