import { EventEmitter } from 'node:events';
import { type OutgoingHttpHeaders, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';

interface Events {
  drain: [];
  /** It has ended, or its connection. */
  close: [];
}

/** What an answer needs of its connection. */
export interface AnswerWay {
  readonly socket: Socket;
  /** What every head ends with; `closes`: that the connection ends after this answer. */
  headEnd(closes: boolean): string;
  answered(closes: boolean): void;
}

export interface AnswerForm {
  /** RFC 9110 §9.3.2: HEAD is answered by a head alone. */
  isHeadAlone: boolean;
  /** The connection goes on after it, as far as the request is concerned. */
  keepsAlive: boolean;
  /** RFC 9112 §7: a sender of HTTP/1.0 knows no chunks. */
  knowsChunks: boolean;
}

type Framing = 'length' | 'chunks' | 'none';

const statusLines = new Map<number, string>();
const lineEnd = Buffer.from('\r\n');
const lastChunk = '0\r\n\r\n';
/** RFC 9110 §5.5; what would begin another line above all. */
const unprintable = /[^\t\x20-\x7e]/;

function statusLine(status: number): string {
  let line = statusLines.get(status);
  if (line === undefined) {
    line = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`;
    statusLines.set(status, line);
  }
  return line;
}

/** The answer to a request. Given whole, it is one write. */
export class WireAnswer extends EventEmitter<Events> {
  readonly #way: AnswerWay;
  readonly #form: AnswerForm;
  #status = 200;
  #headers: OutgoingHttpHeaders = {};
  #framing: Framing = 'length';
  #closes: boolean;
  headersSent = false;
  writableEnded = false;
  destroyed = false;

  constructor(way: AnswerWay, form: AnswerForm) {
    super();
    [this.#way, this.#form] = [way, form];
    this.#closes = !form.keepsAlive;
  }

  get writableLength(): number {
    return this.#way.socket.writableLength;
  }

  get writableFinished(): boolean {
    return this.writableEnded && this.#way.socket.writableLength === 0;
  }

  writeHead(status: number, headers: OutgoingHttpHeaders): this {
    this.#status = status;
    this.#headers = headers;
    return this;
  }

  flushHeaders(): void {
    if (!this.headersSent && !this.destroyed) this.#send(this.#takeHead(undefined));
  }

  /** False: it waits for its reader. */
  write(data: string | Uint8Array): boolean {
    if (this.destroyed || this.writableEnded) return false;
    const head = this.headersSent ? '' : this.#takeHead(undefined);
    return this.#send(head, data.length === 0 ? undefined : data);
  }

  end(data?: string | Uint8Array): void {
    if (this.destroyed || this.writableEnded) return;
    const head = this.headersSent ? '' : this.#takeHead(data ?? '');
    this.writableEnded = true;
    if (data !== undefined && data.length > 0) this.#send(head, data);
    else if (head !== '') this.#send(head);
    if (this.#framing === 'chunks' && !this.#form.isHeadAlone) this.#send(lastChunk);
    this.#way.answered(this.#closes);
    this.emit('close');
  }

  destroy(): void {
    this.destroyed = true;
    this.#way.socket.destroy();
  }

  /** The connection has ended; it is told once. */
  connectionClosed(): void {
    this.destroyed = true;
    if (!this.writableEnded) this.emit('close');
  }

  /** `whole`: all of its content, where that is known. */
  #takeHead(whole: string | Uint8Array | undefined): string {
    this.headersSent = true;
    const status = this.#status;
    let head = statusLine(status);
    let hasLength = status === 204 || status === 304;
    for (const name in this.#headers) {
      const value = this.#headers[name];
      if (name === 'connection') this.#closes ||= value === 'close';
      else if (value !== undefined) head += fieldOf(name, value);
      hasLength ||= name === 'content-length';
    }
    if (!hasLength) head += this.#frame(whole);
    return head + this.#way.headEnd(this.#closes);
  }

  #frame(whole: string | Uint8Array | undefined): string {
    if (whole !== undefined) return `content-length: ${Buffer.byteLength(whole)}\r\n`;
    if (this.#form.knowsChunks) {
      this.#framing = 'chunks';
      return 'transfer-encoding: chunked\r\n';
    }
    this.#framing = 'none';
    this.#closes = true;
    return '';
  }

  #send(plain: string, data?: string | Uint8Array): boolean {
    const { socket } = this.#way;
    // It was ended by a refusal of what came after, or by its peer.
    if (!socket.writable) return false;
    if (data === undefined || this.#form.isHeadAlone) return plain === '' || socket.write(plain, 'latin1');
    if (typeof data === 'string') {
      if (this.#framing !== 'chunks') return socket.write(plain + data, 'utf8');
      return socket.write(`${plain}${Buffer.byteLength(data).toString(16)}\r\n${data}\r\n`, 'utf8');
    }
    if (this.#framing !== 'chunks') return socket.write(Buffer.concat([Buffer.from(plain, 'latin1'), data]));
    const before = Buffer.from(`${plain}${data.length.toString(16)}\r\n`, 'latin1');
    return socket.write(Buffer.concat([before, data, lineEnd]));
  }
}

function fieldOf(name: string, value: number | string | readonly string[]): string {
  if (typeof value === 'object') return value.map((one) => fieldOf(name, one)).join('');
  if (typeof value === 'string' && unprintable.test(value)) throw new TypeError(`the value of ${name} is no text`);
  return `${name}: ${value}\r\n`;
}
