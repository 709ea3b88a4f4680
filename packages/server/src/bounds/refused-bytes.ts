import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { failures, type Problem, problemMediaType } from '@portcullis/contract';

/** What Node's parser says of bytes that are no request: https://nodejs.org/api/errors.html, and llhttp's names. */
const statuses: Record<string, number> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_HEADER_OVERFLOW: 431,
  HPE_INVALID_METHOD: 501,
  HPE_INVALID_VERSION: 505,
};

/** RFC 9112 §3: what is not at least this was no request, whatever the parser calls it. */
const requestLine = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+ [^ ]+ HTTP\/\d/;
const lineBytesMax = 16_384;

export interface BytesRefused {
  code?: string;
  rawPacket?: Buffer;
}

function statusOf({ code = '', rawPacket }: BytesRefused): number {
  const status = statuses[code] ?? 400;
  return status > 500 && !requestLine.test(rawPacket?.toString('latin1', 0, lineBytesMax) ?? '') ? 400 : status;
}

/** As Node's parser found them: no HTTP, too many of them, or too slow. */
export function refuseBytes(refused: BytesRefused, socket: Socket, now: number): void {
  const { code = '' } = refused;
  if (code === 'ECONNRESET') socket.destroy();
  else tellRefusedBytes({ status: statusOf(refused), detail: code }, socket, now);
}

/** No request reaches a route, and the answer is as every other refusal. */
export function tellRefusedBytes({ status, detail }: { status: number; detail: string }, socket: Socket, now: number) {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const { title } = failures.request_malformed;
  const problem: Problem = { type: 'about:blank', title, status, reason: 'request_malformed', detail };
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `date: ${new Date(now).toUTCString()}`,
    `content-type: ${problemMediaType}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}
