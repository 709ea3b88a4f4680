import { EventEmitter } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import type { Head } from './head-reader.ts';

interface Events {
  data: [piece: Buffer];
  /** All of its body has come. */
  end: [];
  close: [];
}

/** A request over a connection: its head, and its body as it comes. */
export class WireRequest extends EventEmitter<Events> {
  readonly socket: Socket;
  readonly #head: Head;
  /** All of it has come. */
  complete = false;
  #headers: IncomingHttpHeaders | undefined;

  constructor(socket: Socket, head: Head) {
    super();
    [this.socket, this.#head] = [socket, head];
  }

  get method(): string {
    return this.#head.method;
  }

  get url(): string {
    return this.#head.url;
  }

  /** Names in lower case, each followed by its value, as they came. */
  get fields(): readonly string[] {
    return this.#head.fields;
  }

  /** The first of that name. */
  header(name: string): string | undefined {
    const { fields } = this.#head;
    for (let at = 0; at < fields.length; at += 2) if (fields[at] === name) return fields[at + 1];
    return undefined;
  }

  get headers(): IncomingHttpHeaders {
    if (this.#headers) return this.#headers;
    const headers: IncomingHttpHeaders = Object.create(null);
    for (const [name, all] of Object.entries(this.headersDistinct)) headers[name] = all.join(', ');
    this.#headers = headers;
    return headers;
  }

  get headersDistinct(): Record<string, string[]> {
    const { fields } = this.#head;
    const distinct: Record<string, string[]> = Object.create(null);
    for (let at = 0; at < fields.length; at += 2) {
      const name = fields[at] as string;
      distinct[name] ??= [];
      distinct[name].push(fields[at + 1] as string);
    }
    return distinct;
  }

  /** False, which whoever takes no more puts in its place: nothing is read any more. */
  push(piece: Buffer): boolean {
    this.emit('data', piece);
    return true;
  }

  /** It flows from its beginning on. */
  resume(): this {
    return this;
  }
}
