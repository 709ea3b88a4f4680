/** Real TLS servers on loopback, which write down what reached them. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { after } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { patienceMs } from '../../../test/patience.ts';

export interface Received {
  method: string;
  path: string;
  body: string;
  socket: TLSSocket;
  /** Serial number of the client's certificate. */
  serial: string | undefined;
}

export interface Answer {
  status: number;
  body?: unknown;
  headers?: Record<string, string>;
}

export interface TestServer {
  url: string;
  port: number;
  server: Server;
  requests: Received[];
  /** Bytes of requests, of whatever kind, that were decrypted here. */
  applicationBytes(): number;
  /** Whether TLS said that a connection resumed a session. */
  resumed: boolean[];
  close(): Promise<void>;
}

/** An answer, or none. */
export type Given = Answer | 'hang' | 'break';

export async function startServer(
  options: ServerOptions,
  answer: (received: Received) => Given | Promise<Given>,
  port = 0,
): Promise<TestServer> {
  const requests: Received[] = [];
  const resumed: boolean[] = [];
  let bytes = 0;
  const server = createServer({ minVersion: 'TLSv1.3', ...options }, (request, response) => {
    // A client that is gone before its body is whole gets no answer.
    respond(request, response).catch(() => response.destroy());
  });
  const respond = async (request: IncomingMessage, response: ServerResponse) => {
    const { method = '', url: path = '' } = request;
    const socket = request.socket as TLSSocket;
    const serial = socket.getPeerCertificate().serialNumber;
    const received = { method, path, body: await text(request), socket, serial };
    requests.push(received);
    const given = await answer(received);
    if (given === 'hang') return;
    if (given === 'break') {
      request.socket.destroy();
      return;
    }
    const body = given.body === undefined ? '' : JSON.stringify(given.body);
    response.writeHead(given.status, { 'content-type': 'application/json', ...given.headers }).end(body);
  };
  server.on('secureConnection', (socket: TLSSocket) => {
    resumed.push(socket.isSessionReused());
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  after(close);
  const bound = (server.address() as AddressInfo).port;
  const url = `https://localhost:${bound}`;
  return { url, port: bound, server, requests, applicationBytes: () => bytes, resumed, close };
}

/** Polls until it is so; a bound makes a hang a failure. */
export async function until(what: string, holds: () => boolean, limitMs = patienceMs): Promise<void> {
  const start = performance.now();
  while (!holds()) {
    if (performance.now() - start > limitMs) throw new Error(`waited ${limitMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** What a gate answers when it took all lines. */
export function acknowledged({ body }: Received): Answer {
  const ids = linesOf(body).map(({ _id }) => _id as string);
  return { status: 202, body: { acknowledged: ids.length, ids, revision: 1 } };
}

export function refused(status: number, reason: string, more: Record<string, unknown> = {}): Answer {
  return { status, body: { type: 'about:blank', title: reason, status, reason, ...more } };
}

export function linesOf(body: string): Record<string, unknown>[] {
  return body
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
