import type { TLSSocket } from 'node:tls';
import { tellRefusedBytes } from '../../../../bounds/bounds.ts';
import { WireAnswer } from './answer.ts';
import { ChunkReader } from './chunk-reader.ts';
import { type Head, HeadReader, type WireRefused } from './head-reader.ts';
import { WireRequest } from './request.ts';

export interface WireParts {
  /** What every head ends with. */
  headEnd(closes: boolean): string;
  now(): number;
  monotonic(): number;
  /** A request has begun; its body is heard from within this call on. */
  asked(request: WireRequest, response: WireAnswer): void;
}

const continues = 'HTTP/1.1 100 Continue\r\n\r\n';

/**
 * HTTP/1.1 over one socket (RFC 9112). Requests that come before the one before them has its answer wait, and meanwhile nothing more is read.
 * Bytes that are no request end the connection, and what they were taken for is said.
 */
export class WireConnection {
  readonly socket: TLSSocket;
  readonly #parts: WireParts;
  readonly #heads = new HeadReader();
  /** Until all of it has come. */
  #request: WireRequest | undefined;
  /** Until it has ended, and all of its request has come: nothing of either is kept while the connection idles. */
  #answer: WireAnswer | undefined;
  /** Of the body that is being received: undefined: it comes in chunks. */
  #left: number | undefined;
  #chunks: ChunkReader | undefined;
  /** Came before it was its turn. */
  #waiting: Buffer | undefined;
  #isReading = false;
  /** Nothing more is read. */
  #isOver = false;
  /** The other side will send nothing more. */
  #hasEnded = false;
  /** By the monotonic clock: since when a head is awaited that has begun, or the first one. */
  #headSince: number | undefined;

  constructor(socket: TLSSocket, parts: WireParts) {
    [this.socket, this.#parts] = [socket, parts];
    this.#headSince = parts.monotonic();
    // Who has sent all that he will has the answer to it all the same. (Not the server: a handshake that its peer left would hold its place.)
    socket.allowHalfOpen = true;
    socket.on('data', (piece: Buffer) => this.#came(piece));
    socket.on('drain', () => this.#drained());
    socket.on('end', () => this.#ended());
    socket.on('close', () => this.#closed());
  }

  get headSince(): number | undefined {
    return this.#headSince;
  }

  headEnd(closes: boolean): string {
    return this.#parts.headEnd(closes || this.#hasEnded);
  }

  answered(closes: boolean): void {
    if (closes || this.#hasEnded) {
      this.#isOver = true;
      this.socket.destroySoon();
      return;
    }
    if (!this.#request) this.#answer = undefined;
    if (!this.#isReading) this.#goOn();
  }

  /** Unless an answer is under way, which nothing can stand behind. */
  refuse(refused: WireRefused): void {
    this.#isOver = true;
    this.#waiting = undefined;
    if (this.#answer?.headersSent) this.socket.destroySoon();
    else tellRefusedBytes(refused, this.socket, this.#parts.now());
  }

  /** A request waits for its answer, or its answer for its reader. */
  get #isAnswering(): boolean {
    return (this.#answer !== undefined && !this.#answer.writableEnded) || this.socket.writableNeedDrain;
  }

  #came(piece: Buffer): void {
    if (this.#waiting) this.#waiting = Buffer.concat([this.#waiting, piece]);
    else this.#read(piece);
  }

  /** With what waits, if it is its turn. */
  #goOn(): void {
    const waiting = this.#waiting;
    if (!waiting || this.#isOver || this.#isAnswering) return;
    this.#waiting = undefined;
    this.#read(waiting);
    if (!this.#waiting && !this.#isOver) this.socket.resume();
  }

  #drained(): void {
    if (this.#answer && !this.#answer.writableEnded) this.#answer.emit('drain');
    else this.#goOn();
  }

  #read(piece: Buffer): void {
    this.#isReading = true;
    let at = 0;
    while (at < piece.length && !this.#isOver) {
      const next = this.#request ? this.#body(this.#request, piece, at) : this.#head(piece, at);
      if (next === undefined) {
        this.#hold(piece.subarray(at));
        break;
      }
      at = next;
    }
    this.#isReading = false;
  }

  /** Until it is its turn. */
  #hold(piece: Buffer): void {
    this.#waiting = piece;
    this.socket.pause();
  }

  /** Where what follows begins; undefined: it is not read now. */
  #head(piece: Buffer, at: number): number | undefined {
    if (this.#isAnswering) return undefined;
    const head = this.#heads.read(piece, at);
    if (head === undefined) {
      this.#headSince ??= this.#parts.monotonic();
      return piece.length;
    }
    if ('status' in head) {
      this.refuse(head);
      return piece.length;
    }
    this.#headSince = undefined;
    const next = this.#heads.endsAt;
    this.#begin(head);
    return next;
  }

  #begin(head: Head): void {
    const request = new WireRequest(this.socket, head);
    const { keepsAlive, isOfOldVersion } = head;
    const form = { isHeadAlone: head.method === 'HEAD', keepsAlive, knowsChunks: !isOfOldVersion };
    const answer = new WireAnswer(this, form);
    [this.#request, this.#answer, this.#left] = [request, answer, head.length];
    this.#chunks = head.length === undefined ? new ChunkReader() : undefined;
    if (head.awaitsContinue) this.socket.write(continues, 'latin1');
    request.complete = head.length === 0;
    this.#parts.asked(request, answer);
    if (head.length === 0) this.#complete(request);
  }

  #body(request: WireRequest, piece: Buffer, at: number): number | undefined {
    if (this.#chunks) return this.#chunk(this.#chunks, request, piece, at);
    const left = this.#left as number;
    const end = Math.min(piece.length, at + left);
    this.#left = left - (end - at);
    const goesOn = request.push(at === 0 && end === piece.length ? piece : piece.subarray(at, end));
    if (this.#left === 0) this.#complete(request);
    else if (!goesOn) this.#stop();
    return end;
  }

  #chunk(chunks: ChunkReader, request: WireRequest, piece: Buffer, from: number): number {
    const bytes = chunks.next(piece, from);
    if (typeof bytes === 'string') {
      this.refuse({ status: 400, detail: bytes });
      return piece.length;
    }
    const end = chunks.at + bytes;
    if (bytes > 0 && !request.push(piece.subarray(chunks.at, end))) this.#stop();
    if (chunks.isDone) this.#complete(request);
    return end;
  }

  /** Of a body that nobody wants nothing more is read, and its connection ends. */
  #stop(): void {
    this.#isOver = true;
    this.socket.pause();
  }

  #complete(request: WireRequest): void {
    this.#request = undefined;
    if (this.#answer?.writableEnded) this.#answer = undefined;
    request.complete = true;
    request.emit('end');
    request.emit('close');
  }

  /** What is asked is answered all the same; an answer that goes on has lost its reader. */
  #ended(): void {
    if (this.#isOver) return;
    this.#hasEnded = true;
    if (this.#request || this.#heads.hasBegun) {
      this.refuse({ status: 400, detail: 'the connection ended within a request' });
    } else if (!this.#answer || this.#answer.headersSent) this.socket.destroySoon();
  }

  #closed(): void {
    this.#isOver = true;
    this.#waiting = undefined;
    this.#request?.emit('close');
    this.#answer?.connectionClosed();
  }
}
