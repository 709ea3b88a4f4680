import type { IConnectPacket, Packet } from 'mqtt-packet';
import type { RefusedReading } from '../../../storage/sink.ts';
import type { Ground, Refused } from '../../admission/admit.ts';
import type { Connection } from '../../connections/connections.ts';
import type { Intake } from '../intake.ts';
import { toldOf } from '../told.ts';
import type { Acknowledgements } from './carrying.ts';
import { checkConnect } from './connect-check.ts';
import { connectRefused } from './connect-judgement.ts';
import { type Decoder, decodeConnect } from './decode.ts';
import type { Delays } from './delays.ts';
import { codes, type Fault, malformed } from './fault.ts';
import { type Frame, Frames, noRoom } from './frames.ts';
import { type Host, type PublicationParts, Publications } from './publications.ts';
import { type Moment, type Reply, replyTo } from './refusals.ts';
import { Say, wordsOf } from './say.ts';
import { Subscriptions } from './subscriptions.ts';
import type { Takeovers } from './takeovers.ts';
import type { MqttTransport, Spoken } from './transport.ts';
import { packetBytesMax, wantedOf, welcomeOf } from './welcome.ts';
import { checkPacket, type Version } from './wire-check.ts';

export interface SessionParts extends PublicationParts {
  intake: Intake;
  makeClientId(): string;
  decoders: Record<Version, Decoder>;
  delays: Delays;
  takeovers: Takeovers<Session>;
  /** Of one that never came to publish anything. */
  noteRefused(connection: Connection, refused: Refused): void;
  noteFault(connection: Connection, fault: Fault): void;
}

/** CONNECT is to be there so soon after the handshake (FIELD-NOTES B7). */
const connectMs = 5_000;
/** A certificate that was made a moment ago may not be known here yet. */
const unknownMs = 1_000;
/** Who is refused for good is told so at once so many times; after that it has to wait for it. */
const toldAtOnceMax = 5;
/** Of what is being committed when a connection is cut. */
const lingerMs = 2_000;

/**
 * `waiting`: its CONNECT is there and is answered later. `leaving`: nothing more is read, and what is being committed is acknowledged.
 * `condemned`: it was refused in passing; it is closed later, and whatever was committed is acknowledged until then.
 */
type State = 'connecting' | 'waiting' | 'open' | 'condemned' | 'leaving' | 'over';

/** What is spoken over one connection, from its CONNECT to its end. */
export class Session implements Spoken, Host {
  readonly connection: Connection;
  say!: Say;
  keepAlive = 0;
  clientId = '';
  readonly #parts: SessionParts;
  readonly #transport: MqttTransport;
  readonly #frames: Frames;
  readonly #publications: Publications;
  readonly #subscriptions: Subscriptions;
  #state: State = 'connecting';
  #working = false;

  constructor(parts: SessionParts, connection: Connection, transport: MqttTransport) {
    [this.#parts, this.connection, this.#transport] = [parts, connection, transport];
    this.#frames = new Frames(packetBytesMax, parts.intake);
    this.#publications = new Publications(parts, this);
    this.#subscriptions = new Subscriptions(parts.ground, this);
    transport.speak(this);
    transport.after(connectMs, () => this.#over());
  }

  get isBusy(): boolean {
    return this.#publications.size > 0;
  }

  get isWithin(): boolean {
    return this.#frames.isWithin;
  }

  receive(piece: Buffer): void {
    if (!this.#reads) return;
    this.#frames.add(piece);
    this.#work();
  }

  get #ground(): Ground {
    return this.#parts.ground;
  }

  get #reads(): boolean {
    return this.#state === 'connecting' || this.#state === 'open';
  }

  /** Packet by packet, for as long as there is one and room for what comes of it. */
  #work(): void {
    if (this.#working) return;
    this.#working = true;
    while (this.#reads && !this.#publications.isFull) {
      const next = this.#frames.next();
      if (next === undefined) break;
      if (next === noRoom) this.#overloaded();
      else if ('code' in next) this.#faulty(next);
      else this.#take(next);
    }
    this.#working = false;
    if (this.#reads && !this.#publications.isFull) this.#transport.resume();
    else if (this.#state !== 'over') this.#transport.pause();
  }

  #take(frame: Frame): void {
    const { version } = this.#frames;
    if (version === undefined) return this.#connect(frame);
    const fault = checkPacket(frame.packet, frame.body, version);
    if (fault) return this.#faulty(fault);
    const packet = this.#parts.decoders[version].decode(frame.packet);
    if (packet) this.#obey(packet);
    else this.#faulty(malformed('the packet can not be decoded'));
  }

  #obey(packet: Packet): void {
    switch (packet.cmd) {
      case 'publish':
        if (packet.qos < 2) return this.#publications.take(packet);
        return this.#faulty({ code: codes.qosUnsupported, words: 'QoS 2; the highest is 1' });
      case 'subscribe':
        return this.#subscriptions.add(packet);
      case 'unsubscribe':
        return this.#subscriptions.remove(packet);
      case 'pubrel':
        return this.write(this.say.pubcomp(packet.messageId as number));
      case 'pingreq':
        return this.write(this.say.pong());
      default:
        return this.#over();
    }
  }

  #connect({ packet, body }: Frame): void {
    const checked = checkConnect(packet, body);
    if ('fault' in checked) return this.#refuseConnect(checked.fault, checked.version);
    const { version } = checked;
    const connect = decodeConnect(packet, version);
    if (!connect) return this.#refuseConnect(malformed('the packet can not be decoded'), version);
    this.#frames.version = version;
    this.say = new Say(version, wantedOf(connect));
    const refused = connectRefused(this.connection, this.#ground);
    if (!refused) return this.#welcome(connect);
    this.#parts.noteRefused(this.connection, refused);
    const reply = replyTo(refused.reason, 'connect', version, false);
    const ms = this.#waitOf(refused, reply);
    if (ms === 0) return this.#tell(refused, 'connect');
    this.#state = 'waiting';
    this.#transport.after(ms, () => this.#decideAgain(connect));
  }

  #waitOf({ reason }: Refused, { by }: Reply): number {
    const { delays } = this.#parts;
    const ms = delays.next(this.connection.name, by === 'silence' ? 0 : toldAtOnceMax);
    return reason === 'certificate_unknown' ? Math.max(unknownMs, ms) : ms;
  }

  /** After its wait: by then it may be admitted, and need not come again. */
  #decideAgain(connect: IConnectPacket): void {
    const refused = connectRefused(this.connection, this.#ground);
    if (refused) return this.#tell(refused, 'connect');
    this.#welcome(connect);
    this.#work();
  }

  #welcome(connect: IConnectPacket): void {
    const { takeovers, makeClientId, now } = this.#parts;
    const welcome = welcomeOf(connect, makeClientId, now());
    if ('code' in welcome) return this.#refuseConnect(welcome, this.say.version);
    this.#transport.calm();
    this.#state = 'open';
    this.keepAlive = connect.keepalive ?? 0;
    this.clientId = welcome.clientId;
    if (this.clientId !== '') takeovers.enter(this.connection.name, this.clientId, this);
    this.write(this.say.welcome(welcome.properties));
  }

  /** For what its bytes are, whoever it is. */
  #refuseConnect(fault: Fault, version: Version | undefined): void {
    this.#parts.noteFault(this.connection, fault);
    const isTold = version === 5 || (version === 4 && fault.code < codes.malformed);
    const say = isTold && new Say(version, { packetBytesMax: Number.POSITIVE_INFINITY, problems: true });
    this.#over(say ? say.connackRefused(fault.code, fault.words) : undefined);
  }

  #faulty(fault: Fault): void {
    this.#parts.noteFault(this.connection, fault);
    this.#over(this.#state === 'open' ? this.say.disconnect(fault.code, fault.words) : undefined);
  }

  #overloaded(): void {
    this.#parts.noteRefused(this.connection, { reason: 'gate_overloaded' });
    this.refused({ by: 'silence', later: true });
  }

  /** Ends it by the table, now. */
  #tell(refused: Refused, moment: Moment): void {
    const reply = replyTo(refused.reason, moment, this.say.version, false);
    const why = wordsOf(toldOf(refused, this.connection, this.#ground.replica));
    if (reply.by === 'connack') this.#over(this.say.connackRefused(reply.code, why));
    else this.#over(reply.by === 'disconnect' ? this.say.disconnect(reply.code, why) : undefined);
  }

  write(packet: Buffer): void {
    if (this.#state !== 'over') this.#transport.write(packet);
  }

  settled(): void {
    if (this.#state === 'leaving' && this.#publications.size === 0) this.#leave();
    else if (this.#reads) this.#work();
  }

  stored(): void {
    this.#parts.delays.reset(this.connection.name);
  }

  kept(refused: RefusedReading): void {
    this.#subscriptions.refused(refused);
  }

  carried(acknowledgements: Acknowledgements): void {
    this.#subscriptions.tellCarrier(acknowledgements);
  }

  refused(reply: Exclude<Reply, { by: 'puback' }>): void {
    if (!this.#reads) return;
    if (reply.by !== 'silence' || !reply.later) return this.end();
    this.#state = 'condemned';
    this.#frames.letGo();
    this.#transport.pause();
    this.#transport.after(this.#parts.delays.next(this.connection.name), () => this.#over());
  }

  end(): void {
    if (this.#state === 'over' || this.#state === 'leaving') return;
    if (this.#state === 'connecting') return this.#over();
    if (this.#state === 'waiting') return this.#leave();
    this.#state = 'leaving';
    this.#frames.letGo();
    this.#transport.pause();
    if (this.#publications.size === 0) this.#leave();
    else this.#transport.after(lingerMs, () => this.#leave());
  }

  /** Whoever is cut for good is told so; nobody is told anything that would keep him away from a gate that comes back. */
  #leave(): void {
    const refused = connectRefused(this.connection, this.#ground);
    if (refused) this.#tell(refused, this.#state === 'waiting' ? 'connect' : 'open');
    else this.#over();
  }

  takenOver(): void {
    const why = 'another connection with the same certificate and client identifier took over';
    if (this.#state !== 'over') this.#over(this.say.disconnect(codes.takenOver, why));
  }

  look(): void {
    if (this.#state === 'open') this.#subscriptions.look();
  }

  #over(packet?: Buffer): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    this.#transport.farewell(packet);
    this.gone();
  }

  gone(): void {
    this.#state = 'over';
    this.#frames.letGo();
    if (this.clientId !== '') this.#parts.takeovers.leave(this.connection.name, this.clientId, this);
  }
}
