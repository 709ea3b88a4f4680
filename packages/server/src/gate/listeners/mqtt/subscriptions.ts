import { reasons } from '@portcullis/contract';
import type { ISubscribePacket, IUnsubscribePacket } from 'mqtt-packet';
import type { RefusedReading } from '../../../storage/sink.ts';
import { timestamp } from '../../../telemetry/telemetry.ts';
import { type Ground, judge } from '../../admission/admit.ts';
import type { Connection } from '../../connections/connections.ts';
import type { Acknowledgements } from './carrying.ts';
import { connectRefused } from './connect-judgement.ts';
import { codes } from './fault.ts';
import type { Say } from './say.ts';
import { ownTopics, targetOf } from './topic.ts';

interface Host {
  readonly connection: Connection;
  readonly say: Say;
  write(packet: Buffer): void;
}

/** What a device is told of itself. */
export type Notice =
  | { notice: 'refused'; topic: string; id: string | null; told: string }
  /** Of a stream whose refusal it was told. */
  | { notice: 'admitted'; stream: string }
  | { notice: 'renewal_due'; notAfter: string };

/** 3.1.1 §3.9.3 */
const failureIn4 = 0x80;
/** So many streams are looked at for a device. */
const refusedByMax = 16;
/** A device renews by then. */
const renewalShare = 2 / 3;

/** The topics that a device may read: what concerns itself alone. Judged at each message, as a reading is (FIELD-NOTES A8). */
export class Subscriptions {
  readonly #ground: Ground;
  readonly #host: Host;
  readonly #on = new Set<string>();
  /** Streams that refused the device, whatever it sent. */
  readonly #refusedBy = new Set<string>();
  #renewalTold = false;

  constructor(ground: Ground, host: Host) {
    [this.#ground, this.#host] = [ground, host];
  }

  get #own() {
    return ownTopics(this.#host.connection.subjectId);
  }

  #isOwn(filter: string): boolean {
    const { notices, acknowledgements } = this.#own;
    return filter === notices || filter === acknowledgements;
  }

  add({ messageId = 0, subscriptions, properties }: ISubscribePacket): void {
    const { say } = this.#host;
    const numbered = properties?.subscriptionIdentifier !== undefined;
    const granted = subscriptions.map(({ topic }) => this.#answerTo(topic, numbered));
    this.#host.write(say.suback(messageId, granted));
    for (const [index, { topic }] of subscriptions.entries()) if (granted[index] === codes.success) this.#on.add(topic);
    this.look();
  }

  /** Granted is QoS 0: a notice is never kept for anybody. */
  #answerTo(filter: string, numbered: boolean): number {
    if (this.#host.say.version === 4) return this.#isOwn(filter) ? codes.success : failureIn4;
    if (numbered) return codes.identifiersUnsupported;
    if (this.#isOwn(filter)) return codes.success;
    if (filter.startsWith('$share/')) return codes.sharedUnsupported;
    return /[+#]/.test(filter) ? codes.wildcardUnsupported : codes.notAuthorized;
  }

  remove({ messageId = 0, unsubscriptions }: IUnsubscribePacket): void {
    const noSubscriptionExisted = 0x11;
    const left = unsubscriptions.map((filter) => (this.#on.delete(filter) ? codes.success : noSubscriptionExisted));
    this.#host.write(this.#host.say.unsuback(messageId, left));
  }

  refused({ topic, id, told, reason, stream }: RefusedReading): void {
    this.tell({ notice: 'refused', topic, id, told });
    // Whether somebody may carry is no question of a stream.
    if (stream === null || targetOf(topic)?.sealed || reasons[reason].class !== 'certificate') return;
    if (this.#on.has(this.#own.notices) && this.#refusedBy.size < refusedByMax) this.#refusedBy.add(stream);
  }

  tell(notice: Notice): void {
    this.#send(this.#own.notices, JSON.stringify(notice), { contentType: 'application/json' });
  }

  tellCarrier({ payload, ...said }: Acknowledgements): void {
    this.#send(this.#own.acknowledgements, payload, said);
  }

  #send(topic: string, payload: string | Buffer, said: Parameters<Say['message']>[2]): void {
    const { say, connection } = this.#host;
    if (!this.#on.has(topic) || connectRefused(connection, this.#ground)) return;
    const packet = say.message(topic, payload, said);
    if (packet) this.#host.write(packet);
  }

  /** Now and then: what is told for its time has come. */
  look(): void {
    if (this.#on.size === 0 || !this.#on.has(this.#own.notices)) return;
    this.#tellAdmitted();
    if (!this.#renewalTold) this.#tellRenewal();
  }

  #tellAdmitted(): void {
    const { connection: bearer } = this.#host;
    for (const name of this.#refusedBy) {
      if (judge({ bearer, stream: this.#ground.policy.streams.get(name), data: [] }, this.#ground)) continue;
      this.#refusedBy.delete(name);
      this.tell({ notice: 'admitted', stream: name });
    }
  }

  #tellRenewal(): void {
    const { replica } = this.#ground;
    const row = this.#host.connection.rowIn(replica);
    if (row === -1) return;
    const [from, to] = [replica.notBeforeOf(row), replica.notAfterOf(row)];
    if (this.#ground.validityTime() < from + renewalShare * (to - from)) return;
    this.#renewalTold = true;
    this.tell({ notice: 'renewal_due', notAfter: timestamp(to) });
  }
}
