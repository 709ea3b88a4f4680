import type { ISubscribePacket, IUnsubscribePacket } from 'mqtt-packet';
import { timestamp } from '../../../telemetry/telemetry.ts';
import type { Ground } from '../../admission/admit.ts';
import type { Connection } from '../../connections/connections.ts';
import { connectRefused } from './connect-judgement.ts';
import { codes } from './fault.ts';
import type { Say } from './say.ts';
import { noticesOf } from './topic.ts';

interface Host {
  readonly connection: Connection;
  readonly say: Say;
  write(packet: Buffer): void;
}

/** What a device is told of itself. */
export type Notice =
  | { notice: 'refused'; topic: string; id: string | null; told: string }
  | { notice: 'renewal_due'; notAfter: string };

/** 3.1.1 §3.9.3 */
const failureIn4 = 0x80;
/** A device renews by then. */
const renewalShare = 2 / 3;

/** The one topic that a device may read: what concerns itself. Judged at each notice, as a reading is (FIELD-NOTES A8). */
export class Subscriptions {
  readonly #ground: Ground;
  readonly #host: Host;
  #on = false;
  #renewalTold = false;

  constructor(ground: Ground, host: Host) {
    [this.#ground, this.#host] = [ground, host];
  }

  get #topic(): string {
    return noticesOf(this.#host.connection.subjectId);
  }

  add({ messageId = 0, subscriptions, properties }: ISubscribePacket): void {
    const { say } = this.#host;
    const numbered = properties?.subscriptionIdentifier !== undefined;
    const granted = subscriptions.map(({ topic }) => this.#answerTo(topic, numbered));
    this.#host.write(say.suback(messageId, granted));
    if (granted.includes(codes.success)) this.#on = true;
    this.look();
  }

  /** Granted is QoS 0: a notice is never kept for anybody. */
  #answerTo(filter: string, numbered: boolean): number {
    if (this.#host.say.version === 4) return filter === this.#topic ? codes.success : failureIn4;
    if (numbered) return codes.identifiersUnsupported;
    if (filter === this.#topic) return codes.success;
    if (filter.startsWith('$share/')) return codes.sharedUnsupported;
    return /[+#]/.test(filter) ? codes.wildcardUnsupported : codes.notAuthorized;
  }

  remove({ messageId = 0, unsubscriptions }: IUnsubscribePacket): void {
    const noSubscriptionExisted = 0x11;
    const left = unsubscriptions.map((filter) =>
      this.#on && filter === this.#topic ? codes.success : noSubscriptionExisted,
    );
    if (left.includes(codes.success)) this.#on = false;
    this.#host.write(this.#host.say.unsuback(messageId, left));
  }

  tell(notice: Notice): void {
    const { say, connection } = this.#host;
    if (!this.#on || connectRefused(connection, this.#ground)) return;
    const packet = say.notice(this.#topic, JSON.stringify(notice));
    if (packet) this.#host.write(packet);
  }

  /** Now and then: what is told for its time has come. */
  look(): void {
    if (!this.#on || this.#renewalTold) return;
    const { replica } = this.#ground;
    const row = this.#host.connection.rowIn(replica);
    if (row === -1) return;
    const [from, to] = [replica.notBeforeOf(row), replica.notAfterOf(row)];
    if (this.#ground.validityTime() < from + renewalShare * (to - from)) return;
    this.#renewalTold = true;
    this.tell({ notice: 'renewal_due', notAfter: timestamp(to) });
  }
}
