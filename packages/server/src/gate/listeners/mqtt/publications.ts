import { reasons } from '@portcullis/contract';
import type { IPublishPacket } from 'mqtt-packet';
import type { RefusedReading } from '../../../storage/sink.ts';
import { isAdmissible, judge, judgeCarrier, type Refused } from '../../admission/admit.ts';
import type { Connection } from '../../connections/connections.ts';
import type { Intake } from '../intake.ts';
import { mediaTypeOf, parseReadings, type Readings, type Unreadable } from '../readings.ts';
import { Submission, type Submitted } from '../submission.ts';
import { toldOf } from '../told.ts';
import { type Acknowledgements, type CarryingParts, carry } from './carrying.ts';
import { connectRefused } from './connect-judgement.ts';
import { type Reply, replyTo } from './refusals.ts';
import { type Say, wordsOf } from './say.ts';
import { type Target, targetOf } from './topic.ts';
import { packetBytesMax, receiveMaximum } from './welcome.ts';

export interface PublicationParts extends CarryingParts {
  intake: Pick<Intake, 'makeId'>;
  /** Durable before it resolves; false: there is no room for it now. */
  keepRefused(refused: RefusedReading): Promise<boolean>;
}

/** The connection that they come over. */
export interface Host {
  readonly connection: Connection;
  readonly say: Say;
  write(packet: Buffer): void;
  /** Fewer are under way than before. */
  settled(): void;
  /** One was refused in a way that ends the connection. */
  refused(reply: Extract<Reply, { by: 'silence' | 'disconnect' | 'connack' }>): void;
  /** One was stored. */
  stored(): void;
  /** One was kept as refused. */
  kept(refused: RefusedReading): void;
  /** What the gate says to those who sealed what was brought. */
  carried(acknowledgements: Acknowledgements): void;
}

/** One PUBLISH. */
interface Publication {
  packet: IPublishPacket;
  /** What acknowledges it, as soon as that is known. */
  answer: Buffer | undefined;
  settled: boolean;
}

/** Of a topic or a content type, which may have 65 535 bytes. */
const topicKeptMax = 256;

/** What a connection has published and not been told of. Acknowledgements leave in the order of what they acknowledge [MQTT-4.6.0-2]. */
export class Publications {
  readonly #parts: PublicationParts;
  readonly #host: Host;
  readonly #open: Publication[] = [];
  #bytes = 0;

  constructor(parts: PublicationParts, host: Host) {
    [this.#parts, this.#host] = [parts, host];
  }

  /** How many are under way. */
  get size(): number {
    return this.#open.length;
  }

  /** No more are to be read for now: what is above waits in the network, and not here. */
  get isFull(): boolean {
    return this.#open.length >= receiveMaximum || this.#bytes >= packetBytesMax;
  }

  take(packet: IPublishPacket): void {
    const publication: Publication = { packet, answer: undefined, settled: false };
    this.#open.push(publication);
    this.#bytes += packet.payload.length;
    const target = targetOf(packet.topic);
    if (target?.sealed) return this.#carry(publication, target);
    const sender = { bearer: this.#host.connection };
    const done = (result: Submitted) => this.#done(publication, target, result);
    const submission = new Submission(this.#parts, sender, target?.stream ?? packet.topic, done);
    const refused = submission.judge();
    if (refused) return this.#refuse(submission, publication, target, refused);
    const readings = this.#read(packet, target);
    if ('reason' in readings) return this.#refuse(submission, publication, target, readings);
    submission.submit(readings, packet.payload.length);
  }

  #carry(publication: Publication, target: Target): void {
    const { connection } = this.#host;
    carry(this.#parts, connection, target.stream, publication.packet, (answer) => {
      if ('refused' in answer) return this.#refused(publication, target, answer.refused);
      this.#host.carried(answer);
      this.#taken(publication);
    });
  }

  #read({ payload, properties }: IPublishPacket, target: Target | undefined): Readings | Unreadable | Refused {
    const type = mediaTypeOf(properties?.contentType ?? 'application/json');
    if (type === undefined) return { reason: 'media_type_unsupported' };
    const parsed = parseReadings(payload as Buffer, type, () => this.#parts.intake.makeId());
    return 'reason' in parsed || target?.id === undefined ? parsed : named(parsed, target.id);
  }

  #refuse(submission: Submission, publication: Publication, target: Target | undefined, refused: Refused): void {
    submission.noteRefused(refused);
    this.#done(publication, target, { refused });
  }

  #done(publication: Publication, target: Target | undefined, result: Submitted): void {
    if ('refused' in result) return this.#refused(publication, target, result.refused);
    this.#taken(publication);
  }

  #taken(publication: Publication): void {
    this.#host.stored();
    const { qos, messageId } = publication.packet;
    this.#settle(publication, qos === 0 ? undefined : this.#host.say.puback(messageId as number));
  }

  #refused(publication: Publication, target: Target | undefined, refused: Refused): void {
    const { connection, say } = this.#host;
    const admissible = isAdmissible(connection, this.#parts.ground);
    const reply = replyTo(refused.reason, 'publish', say.version, admissible);
    if (reply.by !== 'puback') {
      this.#settle(publication, undefined);
      return this.#host.refused(reply);
    }
    void this.#keep(publication, target, refused, reply.code);
  }

  /** Durable first: acknowledged means stored, or kept as refused (P8). */
  async #keep(publication: Publication, target: Target | undefined, refused: Refused, code: number): Promise<void> {
    const { connection, say } = this.#host;
    const { topic, payload, qos, messageId, properties } = publication.packet;
    const problem = toldOf(refused, connection, this.#parts.ground.replica);
    // Bytes of its own: a view of what was received would take all of that along.
    const row: RefusedReading = {
      ...{ at: this.#parts.now(), subject: connection.subjectId, certificate: connection.name },
      ...{ topic: topic.slice(0, topicKeptMax), stream: target?.stream ?? null, id: target?.id ?? null },
      ...{ reason: refused.reason, told: wordsOf(problem) },
      ...{
        contentType: properties?.contentType?.slice(0, topicKeptMax) ?? null,
        payload: new Uint8Array(payload as Buffer),
      },
    };
    const kept = await this.#parts.keepRefused(row);
    if (!kept || this.#isOutdated(refused, target)) {
      this.#settle(publication, undefined);
      return this.#host.refused({ by: 'silence', later: true });
    }
    this.#host.kept(row);
    this.#settle(publication, qos === 0 ? undefined : say.pubackRefused(messageId as number, code, problem));
  }

  /** P7: what was refused as things stood then is not acknowledged when they stand otherwise now, for it would be judged otherwise. */
  #isOutdated({ reason }: Refused, target: Target | undefined): boolean {
    const { ground } = this.#parts;
    const { connection: bearer } = this.#host;
    if (connectRefused(bearer, ground)) return true;
    if (reasons[reason].class !== 'certificate') return false;
    const now = target?.sealed
      ? judgeCarrier(bearer, ground)
      : judge({ bearer, stream: ground.policy.streams.get(target?.stream ?? ''), data: [] }, ground);
    return now === undefined;
  }

  /** Without an answer its client sends it again when it is back. */
  #settle(publication: Publication, answer: Buffer | undefined): void {
    publication.answer = answer;
    publication.settled = true;
    while (this.#open[0]?.settled) {
      const first = this.#open.shift() as Publication;
      this.#bytes -= first.packet.payload.length;
      if (first.answer) this.#host.write(first.answer);
    }
    this.#host.settled();
  }
}

/** The topic's id is its reading's. */
function named(readings: Readings, id: string): Readings | Unreadable {
  const { ids, given } = readings;
  if (ids.length !== 1) {
    return { reason: 'reading_malformed', detail: `the topic names one reading, and there are ${ids.length}` };
  }
  if (given[0] && ids[0] !== id) {
    const detail = `"_id" is "${ids[0]}" and the topic names "${id}"; they must be the same`;
    return { reason: 'reserved_member_misused', detail };
  }
  return { ...readings, ids: [id], given: [true] };
}
