import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Acknowledgement, readingBounds } from '@portcullis/contract';
import { GrowingBody, piecesMax, throwAwayBody } from '../../../bounds/bounds.ts';
import type { SinkRequest } from '../../../storage/sink.ts';
import { admit, type Ground, type Incoming, isAdmissible, judge, type Refused } from '../../admission/admit.ts';
import { describe } from '../../admission/explain.ts';
import { JudgedData } from '../../admission/judged-data.ts';
import type { Connection } from '../../connections/connections.ts';
import type { Stream } from '../../policy/policy.ts';
import type { Recorded } from '../../recording/recording.ts';
import type { Verdicts } from '../../recording/verdicts.ts';
import type { Watching } from '../../watching/watching.ts';
import type { Intake } from '../intake.ts';
import { type MediaType, mediaTypeOf, parseReadings, type Readings } from '../readings.ts';
import { send, sendProblem, tellProblem, toldOf } from './answers.ts';
import type { Asked } from './listener.ts';
import type { Exchange, HttpTransport } from './transport.ts';

export interface ReadingParts {
  ground: Ground;
  verdicts: Verdicts;
  watching: Pick<Watching, 'watchedOf' | 'refusedOn'>;
  intake: Intake;
  now(): number;
}

/** A body of an admitted sender that is refused before its end is read on to here, so that its sender gets to read the answer. */
const discardedBytesMax = 4 * readingBounds.bodyBytesMax;

type State = 'receiving' | 'recording' | 'answered';

/** `POST /v1/streams/{stream}/readings`: from the first byte of its body to its answer. */
export class ReadingExchange implements Exchange, Incoming {
  readonly bearer: Connection;
  data: readonly Record<string, unknown>[] = [];
  readonly judged = new JudgedData();
  request!: SinkRequest;
  readings = 0;
  bytes = 0;
  readonly #parts: ReadingParts;
  readonly #transport: HttpTransport;
  readonly #incoming: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #streamName: string;
  readonly #body: GrowingBody;
  #pieces = 0;
  #mediaType: MediaType | undefined;
  #state: State = 'receiving';
  /** Known before the body has ended; what comes of it is not kept. */
  #refused: Refused | undefined;

  constructor(parts: ReadingParts, { connection, transport, request, response }: Asked, stream: string) {
    this.#parts = parts;
    this.#transport = transport;
    this.#incoming = request;
    this.#response = response;
    this.#streamName = stream;
    this.bearer = connection;
    const { 'content-length': said } = request.headers;
    const bytesMax = Math.min(Number(said ?? readingBounds.bodyBytesMax), readingBounds.bodyBytesMax);
    this.#body = new GrowingBody(bytesMax, parts.intake);
  }

  /** As the policy has it now: it may change while a request is under way. */
  get stream(): Stream | undefined {
    return this.#parts.ground.policy.streams.get(this.#streamName);
  }

  start(): void {
    this.#transport.begin(this);
    this.#refused = judge(this, this.#parts.ground) ?? this.#headersRefused();
    // Whom nothing admits is answered before its body has come.
    if (this.#refused && !isAdmissible(this.bearer, this.#parts.ground)) return this.#refuse(this.#refused);
    this.#transport.isPatient = !this.#refused;
    this.#incoming.on('data', (piece: Buffer) => this.#receive(piece));
    this.#incoming.on('end', () => this.#received());
  }

  #headersRefused(): Refused | undefined {
    const { headers } = this.#incoming;
    this.#mediaType = mediaTypeOf(headers['content-type']);
    // RFC 9110 §8.4.1: `identity` is the name of no encoding at all.
    if (this.#mediaType === undefined || !/^(identity)?$/i.test(headers['content-encoding'] ?? '')) {
      return { reason: 'media_type_unsupported' };
    }
    return Number(headers['content-length'] ?? 0) > readingBounds.bodyBytesMax
      ? { reason: 'reading_too_large' }
      : undefined;
  }

  #receive(piece: Buffer): void {
    if (this.#state !== 'receiving') return;
    this.bytes += piece.length;
    if (this.#refused) return this.#throwAway(this.#refused);
    const refused = this.#body.add(piece);
    if (refused === 'too_many_pieces') {
      const detail = 'the body comes in too many pieces; send larger ones';
      return this.#refuse({ reason: 'reading_too_large', detail }, true);
    }
    if (refused) this.#discard({ reason: refused === 'too_large' ? 'reading_too_large' : 'gate_overloaded' });
  }

  #throwAway(refused: Refused): void {
    if (this.bytes > discardedBytesMax || ++this.#pieces > piecesMax) this.#refuse(refused, true);
  }

  #discard(refused: Refused): void {
    this.#refused = refused;
    this.#transport.isPatient = false;
    this.#body.letGo();
  }

  #received(): void {
    if (this.#state !== 'receiving') return;
    if (this.#refused) return this.#refuse(this.#refused);
    const parsed = parseReadings(this.#body.end(), this.#mediaType as MediaType, () => this.#parts.intake.makeId());
    if ('reason' in parsed) return this.#refuse(parsed);
    this.#take(parsed);
    this.#state = 'recording';
    const refused = admit(this, this.#parts.ground);
    if (refused) this.#refuse(refused);
  }

  #take({ data, texts, ids, given, deviceTimes, clocks }: Readings): void {
    const { ground, now } = this.#parts;
    this.data = data;
    this.readings = data.length;
    const { subjectId: subject, name: certificate } = this.bearer;
    const judged = { policy: ground.policy.number, revision: ground.replica.revision };
    const columns = { ids, given, deviceTimes, clocks, data: texts };
    this.request = {
      subject,
      certificate,
      stream: this.#streamName,
      receivedAt: now(),
      ...judged,
      ...columns,
      watched: [],
    };
  }

  beforeCommit(): void {
    this.request.watched = this.#parts.watching.watchedOf(this.bearer, this.#streamName, this.data);
  }

  judgeAgain(): Refused | undefined {
    const { ground } = this.#parts;
    this.request.revision = ground.replica.revision;
    this.request.policy = ground.policy.number;
    return judge(this, ground);
  }

  answer(result: Recorded): void {
    if ('refused' in result) return this.#refuse(result.refused);
    if ('reused' in result.outcome) {
      const line = result.outcome.reused + 1;
      return this.#refuse({ reason: 'reading_id_reused', ...(this.readings > 1 && { line }) });
    }
    const { ids, revision, subject } = this.request;
    this.#parts.verdicts.admitted(this.bearer.name, subject, this.#streamName, revision, this.readings);
    const body: Acknowledgement = { acknowledged: this.readings, ids, revision };
    if (this.#finish()) send(this.#response, 202, 'application/json', JSON.stringify(body), this.#closes);
  }

  #refuse(refused: Refused, abandon = false): void {
    const { ground, verdicts } = this.#parts;
    const { replica } = ground;
    const describeRefusal = () => describe(refused, this.bearer, this.#streamName, replica);
    verdicts.sightings.note(this.bearer.subjectId, { at: this.#parts.now(), verdict: 'refused' });
    const stream = this.stream ? this.#streamName : null;
    if (stream !== null) this.#parts.watching.refusedOn(stream, this.bearer.subjectId, refused.reason);
    verdicts.refused(refused.reason, this.bearer.name, stream, Math.max(1, this.readings), describeRefusal);
    if (!this.#finish()) return;
    const close = abandon || this.#closes || !isAdmissible(this.bearer, ground);
    const problem = toldOf(refused, this.bearer, replica);
    if (!close || this.#incoming.complete || this.#transport.ending) return sendProblem(this.#response, problem, close);
    tellProblem(this.#response, problem);
    throwAwayBody(this.#incoming, this.#response);
  }

  get #closes(): boolean {
    return this.bearer.denied || this.#transport.ending;
  }

  cut(): void {
    if (this.#state === 'receiving') this.#refuse(judge(this, this.#parts.ground) ?? { reason: 'gate_stopping' });
  }

  gone(): void {
    if (this.#state === 'receiving') this.#finish();
  }

  /** True once: the answer is to be given. */
  #finish(): boolean {
    if (this.#state === 'answered') return false;
    this.#state = 'answered';
    this.#body.letGo();
    this.#transport.finish(this);
    return true;
  }
}
