import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Acknowledgement, type ReasonCode, readingBounds, reasons } from '@portcullis/contract';
import type { SinkRequest } from '../../storage/sink.ts';
import { type Arrival, type Ground, judge, type Refused } from '../admit.ts';
import type { Connection } from '../connections.ts';
import { saidOf } from '../explain.ts';
import type { Stream } from '../policy.ts';
import type { Recorded, Recording } from '../recording.ts';
import type { Verdicts } from '../verdicts.ts';
import { answerJson, answerReason } from './answer.ts';
import { type ParsedReading, parseMany, parseOne } from './body.ts';

export interface ReadingParts {
  ground: Ground;
  recording: Recording<SinkRequest>;
  verdicts: Verdicts;
  now(): number;
  makeId(): string;
}

/** A request for `POST /v1/streams/{stream}/readings`, from its head to its answer. */
export function receiveReadings(
  parts: ReadingParts,
  connection: Connection,
  name: string,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const stream = parts.ground.policy.streams.get(name);
  const type = mediaTypeOf(request);
  const exchange = new Exchange(parts, connection, response, stream ?? unknownStream(name));
  if (stream === undefined) return exchange.refuse({ reason: 'stream_unknown' }, request);
  if (type === undefined) return exchange.refuse({ reason: 'media_type_unsupported' }, request);
  const bytesMax = type === 'one' ? readingBounds.readingBytesMax : readingBounds.bodyBytesMax;
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > bytesMax) return exchange.refuse({ reason: 'reading_too_large' }, request);
  collect(request, bytesMax, (body) => {
    if (body === undefined) exchange.refuse({ reason: 'reading_too_large' }, request);
    else exchange.received(type === 'one' ? parseOne(body) : parseMany(body));
  });
}

const unknownStream = (name: string): Stream => ({
  name: name.slice(0, 63),
  kinds: [],
  expect: [],
  condition: undefined,
});

function mediaTypeOf(request: IncomingMessage): 'one' | 'many' | undefined {
  if (request.headers['content-encoding'] !== undefined) return undefined;
  const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase();
  if (type === 'application/json') return 'one';
  return type === 'application/x-ndjson' ? 'many' : undefined;
}

/** The body, or undefined when it is longer than allowed. A request that is broken off calls nothing back. */
function collect(request: IncomingMessage, bytesMax: number, done: (body: Buffer | undefined) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= bytesMax) chunks.push(chunk);
    else if (bytes - chunk.length <= bytesMax) done(undefined);
  });
  request.on('end', () => {
    if (bytes <= bytesMax) done(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks));
  });
}

/** One request's way: parsed, judged line by line, recorded, answered. */
class Exchange {
  readonly #parts: ReadingParts;
  readonly #connection: Connection;
  readonly #response: ServerResponse;
  readonly #stream: Stream;
  #readings: ParsedReading[] = [];

  constructor(parts: ReadingParts, connection: Connection, response: ServerResponse, stream: Stream) {
    this.#parts = parts;
    this.#connection = connection;
    this.#response = response;
    this.#stream = stream;
  }

  received(body: ReturnType<typeof parseMany>): void {
    if ('refused' in body) {
      // Who is not admitted is told so, whatever he sent.
      const refused = judge(this.#arrival(undefined)) ?? { reason: body.refused.reason };
      const { detail, line } = body.refused;
      return this.#answerRefused(refused, refused.reason === body.refused.reason ? { detail, line } : {});
    }
    this.#readings = body.readings;
    const refused = this.#judgeAll();
    if (refused) return this.#answerRefused(refused.refused, { line: this.#lineOf(refused.index) });
    this.#record();
  }

  /** All or nothing: the first refusal is the answer. */
  #judgeAll(): { refused: Refused; index: number } | undefined {
    for (let index = 0; index < this.#readings.length; index++) {
      const refused = judge(this.#arrival(this.#readings[index]));
      if (refused) return { refused, index };
    }
    return undefined;
  }

  #arrival(reading: ParsedReading | undefined): Arrival {
    const { ground } = this.#parts;
    return {
      ground,
      connection: this.#connection,
      stream: this.#stream,
      reading: reading?.value,
      certificate: -1,
      subject: -1,
    };
  }

  #record(): void {
    const { ground, recording, now } = this.#parts;
    const { replica } = ground;
    const readings = this.#readings;
    const request: SinkRequest = {
      subject: replica.subjectId(replica.subjectOf(this.#connection.rowIn(replica))),
      certificate: this.#connection.fingerprint?.toString('hex') ?? '',
      stream: this.#stream.name,
      receivedAt: now(),
      policy: ground.policy.number,
      revision: replica.revision,
      ids: readings.map(({ id }) => id ?? this.#parts.makeId()),
      given: readings.map(({ id }) => id !== undefined),
      deviceTimes: readings.map(({ deviceTime }) => deviceTime),
      clocks: readings.map(({ clock }) => clock),
      data: readings.map(({ data }) => data),
    };
    recording.submit({
      request,
      readings: readings.length,
      bytes: request.data.reduce((sum, text) => sum + text.length, 0),
      judgeAgain: () => {
        request.revision = replica.revision;
        request.policy = ground.policy.number;
        return this.#judgeAll()?.refused;
      },
      answer: (recorded) => this.#recorded(request, recorded),
    });
  }

  #recorded(request: SinkRequest, recorded: Recorded): void {
    if ('refused' in recorded) return this.#answerRefused(recorded.refused, {});
    const { outcome } = recorded;
    if ('reused' in outcome) {
      return this.#answerRefused({ reason: 'reading_id_reused' }, { line: this.#lineOf(outcome.reused) });
    }
    this.#say(undefined, this.#readings.length);
    const acknowledgement: Acknowledgement = {
      acknowledged: request.ids.length,
      ids: request.ids,
      revision: request.revision,
    };
    if (this.#connection.denied) this.#response.setHeader('connection', 'close');
    answerJson(this.#response, 202, acknowledgement);
  }

  #lineOf(index: number): number | undefined {
    return this.#readings[index]?.line;
  }

  /** Before the body was read: what is left of it is not waited for. */
  refuse(refused: { reason: ReasonCode }, request: IncomingMessage): void {
    request.resume();
    const earlier = this.#stream.kinds.length > 0 ? judge(this.#arrival(undefined)) : undefined;
    this.#answerRefused(earlier ?? refused, {}, !request.complete);
  }

  #answerRefused(
    refused: Refused,
    told: { detail?: string | undefined; line?: number | undefined },
    close = false,
  ): void {
    this.#say(refused, Math.max(1, this.#readings.length));
    if (this.#response.destroyed) return;
    const ends = close || this.#connection.denied || reasons[refused.reason].class === 'certificate';
    answerReason(this.#response, refused.reason, { ...told, ...this.#disclosed(refused) }, ends);
  }

  /** A device is told what an attribute should be and is only when the attribute is public (P10). */
  #disclosed({ attribute, expected, found, reason }: Refused): { expected?: unknown; found?: unknown } {
    if (attribute === undefined) return reason === 'kind_not_admitted' ? { found } : {};
    const { replica } = this.#parts.ground;
    const subject = replica.subjectOf(this.#connection.rowIn(replica));
    return replica.attribute(subject, attribute)?.public ? { expected, found } : {};
  }

  #say(refused: Refused | undefined, readings: number): void {
    const arrival = this.#arrival(undefined);
    arrival.certificate = this.#connection.rowIn(arrival.ground.replica);
    if (arrival.certificate !== -1) arrival.subject = arrival.ground.replica.subjectOf(arrival.certificate);
    this.#parts.verdicts.say(saidOf(arrival, refused, readings));
  }
}
