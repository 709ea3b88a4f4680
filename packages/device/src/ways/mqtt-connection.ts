import type { TLSSocket } from 'node:tls';
import { PortcullisError } from '@portcullis/contract';
import { generate, type IConnackPacket, type Packet, type Parser, parser } from 'mqtt-packet';
import { brokenConnection, unreachable, type Verified } from '../link/strict-connector.ts';
import type { Told } from '../outbox/way.ts';
import { codeOf, isRefusal, type RefusingPacket, refusalIn, toldIn } from './mqtt-refusals.ts';

/** What became of one message: undefined: it is acknowledged. */
export type Verdict = Told | undefined;

/** Why a connection came to its end: the gate said why, or it is a failure. */
export type End = { told: Told } | { failure: PortcullisError };

export type Result = { verdict: Verdict } | { end: End };

/** What a gate says that it takes. Above our own bound nothing is gained. */
interface Limits {
  underWayMax: number;
  packetBytesMax: number;
}

const underWayMax = 256;
/** What a gate answers is short: no more than this is held of what it has begun to say. */
const answerBytesMax = 64 * 1024;
const keepAliveSeconds = 60;
/** Silence is noticed at every second of these at the latest: within the keep alive [MQTT-3.1.2-20]. */
const pingMs = 25_000;
/** How long a DISCONNECT of ours may take to leave. */
const goodbyeMs = 2_000;
const version = { protocolVersion: 5 } as const;

/** A conversation in MQTT 5 with one verified gate. Messages have QoS 1; many are under way at once, as many as the gate takes. */
export class MqttConnection {
  readonly #socket: TLSSocket;
  readonly #below: Verified['below'];
  readonly #where: string;
  readonly #parser: Parser;
  readonly #underWay = new Map<number, (result: Result) => void>();
  readonly #timer: NodeJS.Timeout;
  #limits: Limits = { underWayMax, packetBytesMax: Number.POSITIVE_INFINITY };
  #last = 0;
  #end: End | undefined;
  #isFull = false;
  /** Who waits for room, or for the end. */
  #wake: (() => void)[] = [];
  #isWelcome = false;
  #onTime: (time: string) => void = () => undefined;
  #hasSent = false;
  #awaitsPong = false;

  constructor({ socket, below }: Verified, where: string) {
    [this.#socket, this.#below, this.#where] = [socket, below, where];
    this.#parser = parser(version);
    this.#parser.on('packet', (packet) => this.#take(packet));
    this.#parser.on('error', (error) => this.#fail(this.#malformed(error.message)));
    socket.on('data', (bytes) => this.#read(bytes));
    socket.on('drain', () => this.#drained());
    socket.on('error', (error) => this.#fail(brokenConnection(error, where, false)));
    socket.on('close', () => this.#fail(unreachable(where, 'the gate closed the connection')));
    this.#timer = setInterval(() => this.#beat(), pingMs);
    this.#timer.unref();
  }

  /** Why it is over; undefined: it goes on. */
  get end(): End | undefined {
    return this.#end;
  }

  /** `onTime`: what the gate says the time is, as in the header `Date` of HTTP. */
  connect(clientId: string, onTime: (time: string) => void): void {
    this.#onTime = onTime;
    const properties = { receiveMaximum: 16, maximumPacketSize: answerBytesMax };
    const asked = { clean: true, clientId, keepalive: keepAliveSeconds, properties } as const;
    this.#write({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 5, ...asked });
  }

  /** Resolves when one more may be sent, the first one once CONNECT was answered; or when it is over. */
  async room(): Promise<void> {
    while (!this.#end && !this.#hasRoom) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }

  get #hasRoom(): boolean {
    return this.#isWelcome && !this.#isFull && this.#underWay.size < this.#limits.underWayMax;
  }

  /** Whether the gate would take so large a message at all [MQTT-3.2.2-15]. */
  takes(topic: string, payload: string): boolean {
    // Fixed header, the topic's length, packet id, no properties.
    return Buffer.byteLength(topic) + Buffer.byteLength(payload) + 10 <= this.#limits.packetBytesMax;
  }

  /** Sends one, after `room`. Its answer comes with `done`, or the end of the connection. */
  publish(topic: string, payload: string, done: (result: Result) => void): void {
    if (this.#end) return done({ end: this.#end });
    const messageId = this.#nextId();
    this.#underWay.set(messageId, done);
    this.#write({ cmd: 'publish', topic, payload, messageId, qos: 1, dup: false, retain: false });
  }

  /** Nobody waits for its answers any more: what the system still holds for it goes with it. */
  drop(why: string): void {
    this.#fail(new PortcullisError('server_unreachable', `"${this.#where}" ${why}`));
    this.#below.resetAndDestroy();
  }

  /** In peace: what is under way is not waited for. */
  close(): void {
    if (this.#end) return;
    this.#socket.end(generate({ cmd: 'disconnect', reasonCode: 0 }, version));
    this.#fail(unreachable(this.#where, 'the link was closed'));
  }

  #nextId(): number {
    do this.#last = (this.#last % 65_535) + 1;
    while (this.#underWay.has(this.#last));
    return this.#last;
  }

  /** What is said within one turn leaves together. */
  #write(packet: Packet): void {
    this.#hasSent = true;
    if (this.#socket.writableCorked === 0) {
      this.#socket.cork();
      process.nextTick(() => this.#socket.uncork());
    }
    this.#isFull = !this.#socket.write(generate(packet, version));
  }

  #read(bytes: Buffer): void {
    const held = this.#parser.parse(bytes);
    if (held > answerBytesMax) this.#fail(this.#malformed(`more than ${answerBytesMax} bytes of one packet`));
  }

  #take(packet: Packet): void {
    if (this.#end) return;
    if (!this.#isWelcome && packet.cmd !== 'connack')
      return this.#fail(this.#malformed(`${packet.cmd} before CONNACK`));
    switch (packet.cmd) {
      case 'connack':
        return this.#welcome(packet);
      case 'puback':
        return this.#acknowledged(packet.messageId ?? 0, packet as RefusingPacket);
      case 'pingresp':
        this.#awaitsPong = false;
        return undefined;
      case 'disconnect':
        return this.#refused(packet as RefusingPacket, 'ended the connection');
      default:
        return this.#fail(this.#malformed(`${packet.cmd} was not asked for`));
    }
  }

  #welcome(packet: IConnackPacket): void {
    if (this.#isWelcome) return this.#fail(this.#malformed('a second CONNACK'));
    if (isRefusal(packet as RefusingPacket)) return this.#refused(packet as RefusingPacket, 'refused the connection');
    const { receiveMaximum = underWayMax, maximumPacketSize, maximumQoS = 2 } = packet.properties ?? {};
    if (maximumQoS === 0) return this.#fail(unreachable(this.#where, 'the gate acknowledges nothing (maximum QoS 0)'));
    this.#isWelcome = true;
    const { date } = packet.properties?.userProperties ?? {};
    if (typeof date === 'string') this.#onTime(date);
    this.#limits = {
      underWayMax: Math.min(underWayMax, receiveMaximum),
      packetBytesMax: maximumPacketSize ?? this.#limits.packetBytesMax,
    };
    this.#wakeAll();
  }

  #acknowledged(messageId: number, packet: RefusingPacket): void {
    const done = this.#underWay.get(messageId);
    if (!done) return this.#fail(this.#malformed('an acknowledgement of what was not sent'));
    this.#underWay.delete(messageId);
    done({ verdict: isRefusal(packet) ? refusalIn(packet) : undefined });
    this.#wakeAll();
  }

  /** A gate says why by its own code, or by one of MQTT alone: then nothing is known of the readings. */
  #refused(packet: RefusingPacket, what: string): void {
    const told = toldIn(packet);
    const words = packet.properties?.reasonString;
    const why = `the gate ${what} with code ${codeOf(packet)}${words === undefined ? '' : `: ${words}`}`;
    this.#over(told ? { told } : { failure: unreachable(this.#where, why) });
  }

  #fail(failure: PortcullisError): void {
    this.#over({ failure });
  }

  #over(end: End): void {
    if (this.#end) return;
    this.#end = end;
    clearInterval(this.#timer);
    const dones = [...this.#underWay.values()];
    this.#underWay.clear();
    for (const done of dones) done({ end });
    this.#wakeAll();
    if (!this.#socket.writableEnded) this.#socket.destroy();
    else setTimeout(() => this.#socket.destroy(), goodbyeMs).unref();
  }

  #malformed(why: string): PortcullisError {
    return new PortcullisError('answer_malformed', `"${this.#where}" does not speak MQTT 5 as it should: ${why}`);
  }

  #drained(): void {
    this.#isFull = false;
    this.#wakeAll();
  }

  #beat(): void {
    if (this.#awaitsPong) return this.drop('did not answer a ping');
    this.#awaitsPong = !this.#hasSent;
    if (this.#awaitsPong) this.#write({ cmd: 'pingreq' });
    this.#hasSent = false;
  }

  #wakeAll(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}
