import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Acknowledgement, readingBounds } from '@portcullis/contract';
import { GrowingBody, piecesMax, throwAwayBody } from '../../../bounds/bounds.ts';
import { isAdmissible, type Refused } from '../../admission/admit.ts';
import type { Connection } from '../../connections/connections.ts';
import type { Intake } from '../intake.ts';
import { type MediaType, mediaTypeOf, parseReadings } from '../readings.ts';
import { Submission, type SubmissionParts, type Submitted } from '../submission.ts';
import { toldOf } from '../told.ts';
import { send, sendProblem, tellProblem } from './answers.ts';
import type { Asked } from './listener.ts';
import type { Exchange, HttpTransport } from './transport.ts';

export interface ReadingParts extends SubmissionParts {
  intake: Intake;
}

/** A body of an admitted sender that is refused before its end is read on to here, so that its sender gets to read the answer. */
const discardedBytesMax = 4 * readingBounds.bodyBytesMax;

type State = 'receiving' | 'recording' | 'answered';

/** `POST /v1/streams/{stream}/readings`: from the first byte of its body to its answer. */
export class ReadingExchange implements Exchange {
  readonly #bearer: Connection;
  readonly #submission: Submission;
  readonly #parts: ReadingParts;
  readonly #transport: HttpTransport;
  readonly #incoming: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #body: GrowingBody;
  #bytes = 0;
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
    this.#bearer = connection;
    this.#submission = new Submission(parts, { bearer: connection }, stream, (result) => this.#answer(result));
    const { 'content-length': said } = request.headers;
    const bytesMax = Math.min(Number(said ?? readingBounds.bodyBytesMax), readingBounds.bodyBytesMax);
    this.#body = new GrowingBody(bytesMax, parts.intake);
  }

  start(): void {
    this.#transport.begin(this);
    this.#refused = this.#submission.judge() ?? this.#headersRefused();
    // Whom nothing admits is answered before its body has come.
    if (this.#refused && !isAdmissible(this.#bearer, this.#parts.ground)) return this.#refuse(this.#refused);
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
    this.#bytes += piece.length;
    if (this.#refused) return this.#throwAway(this.#refused);
    const refused = this.#body.add(piece);
    if (refused === 'too_many_pieces') {
      const detail = 'the body comes in too many pieces; send larger ones';
      return this.#refuse({ reason: 'reading_too_large', detail }, true);
    }
    if (refused) this.#discard({ reason: refused === 'too_large' ? 'reading_too_large' : 'gate_overloaded' });
  }

  #throwAway(refused: Refused): void {
    if (this.#bytes > discardedBytesMax || ++this.#pieces > piecesMax) this.#refuse(refused, true);
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
    this.#state = 'recording';
    this.#submission.submit(parsed, this.#bytes);
  }

  #answer(result: Submitted): void {
    if ('refused' in result) return this.#tellRefused(result.refused, false);
    if (!this.#finish()) return;
    const body: Acknowledgement = result;
    send(this.#response, 202, 'application/json', JSON.stringify(body), this.#closes);
  }

  #refuse(refused: Refused, abandon = false): void {
    this.#submission.noteRefused(refused);
    this.#tellRefused(refused, abandon);
  }

  #tellRefused(refused: Refused, abandon: boolean): void {
    const { ground } = this.#parts;
    if (!this.#finish()) return;
    const close = abandon || this.#closes || !isAdmissible(this.#bearer, ground);
    const problem = toldOf(refused, this.#bearer, ground.replica);
    if (!close || this.#incoming.complete || this.#transport.ending) return sendProblem(this.#response, problem, close);
    tellProblem(this.#response, problem);
    throwAwayBody(this.#incoming, this.#response);
  }

  get #closes(): boolean {
    return this.#bearer.denied || this.#transport.ending;
  }

  cut(): void {
    if (this.#state === 'receiving') this.#refuse(this.#submission.judge() ?? { reason: 'gate_stopping' });
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
