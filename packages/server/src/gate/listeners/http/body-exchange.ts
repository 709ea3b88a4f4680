import { type Problem, readingBounds, TraceId, traceIdHeader } from '@portcullis/contract';
import { GrowingBody, piecesMax, throwAwayBody } from '../../../bounds/bounds.ts';
import { type Ground, isAdmissible, type Refused } from '../../admission/admit.ts';
import type { Refusal, Shield } from '../../admission/shield.ts';
import type { Connection } from '../../connections/connections.ts';
import type { Intake } from '../intake.ts';
import { toldOf } from '../told.ts';
import { send, sendProblem, tellProblem } from './answers.ts';
import type { AskedHere } from './listener.ts';
import type { Exchange, HttpTransport } from './transport.ts';
import type { WireAnswer } from './wire/answer.ts';
import type { WireRequest } from './wire/request.ts';

interface Parts {
  ground: Ground;
  shield: Pick<Shield, 'refusalOf'>;
  intake: Intake;
}

/** A body of an admitted sender that is refused before its end is read on to here, so that its sender gets to read the answer. */
const discardedBytesMax = 4 * readingBounds.bodyBytesMax;

/** RFC 9110 §8.4.1: `identity` is the name of no encoding at all. */
const isPlain = (encoding: string | undefined) => encoding === undefined || /^(identity)?$/i.test(encoding);

type State = 'receiving' | 'recording' | 'answered';

/** A request that brings something in: from the first byte of its body to its answer. Whom nothing admits is answered before the first. */
export abstract class BodyExchange implements Exchange {
  protected readonly bearer: Connection;
  /** As its sender named it; who named none, or not well, has one of this gate's making, which it is told where it is refused. */
  protected readonly traceId: string;
  /** Its sender knows it by that name. */
  readonly #isNamed: boolean;
  readonly #parts: Parts;
  readonly #transport: HttpTransport;
  readonly #incoming: WireRequest;
  readonly #response: WireAnswer;
  readonly #body: GrowingBody;
  #bytes = 0;
  #pieces = 0;
  #state: State = 'receiving';
  /** Known before the body has ended; what comes of it is not kept. */
  #refused: Refused | undefined;
  /** Known from its head, whatever its body is. */
  #refusal: Refusal | undefined;

  constructor(parts: Parts, { connection, transport, request, response }: AskedHere) {
    this.#parts = parts;
    this.#transport = transport;
    this.#incoming = request;
    this.#response = response;
    this.bearer = connection;
    const [said, name] = [request.header('content-length'), request.header(traceIdHeader)];
    // Most give none, and nothing is spent on that.
    const named = name === undefined ? undefined : TraceId.safeParse(name).data;
    this.#isNamed = named !== undefined;
    this.traceId = named ?? parts.intake.makeId();
    const bytesMax = Math.min(Number(said ?? readingBounds.bodyBytesMax), readingBounds.bodyBytesMax);
    this.#body = new GrowingBody(bytesMax, parts.intake);
  }

  /** May its sender send it at all, as things stand? */
  protected abstract judge(): Refused | undefined;
  /** What decides that beside who it is: two requests of the same are judged alike. */
  protected abstract readonly way: string;
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
    this.#refusal = this.#parts.shield.refusalOf(this.bearer, this.way, () => this.judge());
    if (this.#refusal?.nowhere) return this.refuse(this.#refusal.refused);
    this.#refused = this.#refusal?.refused ?? this.#headersRefused();
    this.#transport.isPatient = !this.#refused;
    this.#incoming.on('data', (piece: Buffer) => this.#receive(piece));
    this.#incoming.on('end', () => this.#received());
  }

  #headersRefused(): Refused | undefined {
    const incoming = this.#incoming;
    if (!this.takes(incoming.header('content-type')) || !isPlain(incoming.header('content-encoding'))) {
      return { reason: 'media_type_unsupported', ...(this.accept && { detail: `it must be one of [${this.accept}]` }) };
    }
    return Number(incoming.header('content-length') ?? 0) > readingBounds.bodyBytesMax
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

  protected admitted(status: number, type: string, body: string | Buffer, further?: Record<string, string>): void {
    if (!this.#finish()) return;
    const named = this.#isNamed ? this.#nameHeader : undefined;
    send(this.#response, status, type, body, this.#closes, { ...further, ...named });
  }

  protected refuse(refused: Refused, abandon = false): void {
    this.noteRefused(refused);
    this.tellRefused(refused, abandon);
  }

  protected tellRefused(refused: Refused, abandon = false): void {
    if (!this.#finish()) return;
    const known = refused === this.#refusal?.refused ? this.#refusal : undefined;
    const close = abandon || this.#closes || known?.nowhere || !isAdmissible(this.bearer, this.#parts.ground);
    const problem = this.#told(refused, known);
    const keeps = !close || this.#incoming.complete || this.#transport.ending;
    const later = known?.retryAfterSeconds && { 'retry-after': known.retryAfterSeconds };
    const more = { accept: this.accept, headers: { ...this.#nameHeader, ...later } };
    if (keeps) return sendProblem(this.#response, problem, close, more);
    tellProblem(this.#response, problem, more);
    throwAwayBody(this.#incoming, this.#response);
  }

  #told(refused: Refused, known: Refusal | undefined): Problem {
    const problem = known?.told ?? toldOf(refused, this.bearer, this.#parts.ground.replica);
    if (known) known.told = problem;
    return problem;
  }

  get #nameHeader(): Record<string, string> {
    return { [traceIdHeader]: this.traceId };
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
