import type { IncomingMessage, ServerResponse } from 'node:http';
import { readingBounds } from '@portcullis/contract';
import { GrowingBody, piecesMax, throwAwayBody } from '../../../bounds/bounds.ts';
import { type Ground, isAdmissible, type Refused } from '../../admission/admit.ts';
import type { Connection } from '../../connections/connections.ts';
import type { Intake } from '../intake.ts';
import { toldOf } from '../told.ts';
import { send, sendProblem, tellProblem } from './answers.ts';
import type { Asked } from './listener.ts';
import type { Exchange, HttpTransport } from './transport.ts';

interface Parts {
  ground: Ground;
  intake: Intake;
}

/** A body of an admitted sender that is refused before its end is read on to here, so that its sender gets to read the answer. */
const discardedBytesMax = 4 * readingBounds.bodyBytesMax;

type State = 'receiving' | 'recording' | 'answered';

/** A request that brings something in: from the first byte of its body to its answer. Whom nothing admits is answered before the first. */
export abstract class BodyExchange implements Exchange {
  protected readonly bearer: Connection;
  readonly #parts: Parts;
  readonly #transport: HttpTransport;
  readonly #incoming: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #body: GrowingBody;
  #bytes = 0;
  #pieces = 0;
  #state: State = 'receiving';
  /** Known before the body has ended; what comes of it is not kept. */
  #refused: Refused | undefined;

  constructor(parts: Parts, { connection, transport, request, response }: Asked) {
    this.#parts = parts;
    this.#transport = transport;
    this.#incoming = request;
    this.#response = response;
    this.bearer = connection;
    const { 'content-length': said } = request.headers;
    const bytesMax = Math.min(Number(said ?? readingBounds.bodyBytesMax), readingBounds.bodyBytesMax);
    this.#body = new GrowingBody(bytesMax, parts.intake);
  }

  /** May its sender send it at all, as things stand? */
  protected abstract judge(): Refused | undefined;
  /** By its header `content-type` alone. */
  protected abstract takes(mediaType: string | undefined): boolean;
  /** Calls `admitted` or `tellRefused` once. */
  protected abstract received(body: Buffer): void;
  /** It was refused before it could be received. */
  protected abstract noteRefused(refused: Refused): void;
  /** What is taken, where something else came (RFC 9110 §12.5.1). */
  protected readonly accept: string | undefined;

  start(): void {
    this.#transport.begin(this);
    this.#refused = this.judge() ?? this.#headersRefused();
    if (this.#refused && !isAdmissible(this.bearer, this.#parts.ground)) return this.refuse(this.#refused);
    this.#transport.isPatient = !this.#refused;
    this.#incoming.on('data', (piece: Buffer) => this.#receive(piece));
    this.#incoming.on('end', () => this.#received());
  }

  #headersRefused(): Refused | undefined {
    const { headers } = this.#incoming;
    // RFC 9110 §8.4.1: `identity` is the name of no encoding at all.
    if (!this.takes(headers['content-type']) || !/^(identity)?$/i.test(headers['content-encoding'] ?? '')) {
      return { reason: 'media_type_unsupported', ...(this.accept && { detail: `it must be one of [${this.accept}]` }) };
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
      return this.refuse({ reason: 'reading_too_large', detail }, true);
    }
    if (refused) this.#discard({ reason: refused === 'too_large' ? 'reading_too_large' : 'gate_overloaded' });
  }

  #throwAway(refused: Refused): void {
    if (this.#bytes > discardedBytesMax || ++this.#pieces > piecesMax) this.refuse(refused, true);
  }

  #discard(refused: Refused): void {
    this.#refused = refused;
    this.#transport.isPatient = false;
    this.#body.letGo();
  }

  #received(): void {
    if (this.#state !== 'receiving') return;
    if (this.#refused) return this.refuse(this.#refused);
    this.#state = 'recording';
    this.received(this.#body.end());
  }

  protected admitted(status: number, type: string, body: string | Buffer): void {
    if (this.#finish()) send(this.#response, status, type, body, this.#closes);
  }

  protected refuse(refused: Refused, abandon = false): void {
    this.noteRefused(refused);
    this.tellRefused(refused, abandon);
  }

  protected tellRefused(refused: Refused, abandon = false): void {
    const { ground } = this.#parts;
    if (!this.#finish()) return;
    const close = abandon || this.#closes || !isAdmissible(this.bearer, ground);
    const problem = toldOf(refused, this.bearer, ground.replica);
    const keeps = !close || this.#incoming.complete || this.#transport.ending;
    if (keeps) return sendProblem(this.#response, problem, close, this.accept);
    tellProblem(this.#response, problem, this.accept);
    throwAwayBody(this.#incoming, this.#response);
  }

  get #closes(): boolean {
    return this.bearer.denied || this.#transport.ending;
  }

  cut(): void {
    if (this.#state === 'receiving') this.refuse(this.judge() ?? { reason: 'gate_stopping' });
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
