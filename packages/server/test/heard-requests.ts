/** The same bytes at the gate's reader of HTTP/1.1 and at Node's: what each took for requests. */
import { createServer, type IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { WireConnection } from '../src/gate/listeners/http/wire/connection.ts';
import { PlayedSocket } from './played-socket.ts';

export interface HeardRequest {
  method: string | undefined;
  url: string | undefined;
  /** Names in lower case, each with its value, in their order. */
  fields: [string, string][];
  body: string;
}

export interface Heard {
  requests: HeardRequest[];
  /** What the other side was answered. */
  answers: string;
  /** Its status, where something was no request. */
  refused: number | undefined;
  /** What was said of it. */
  detail: string | undefined;
  isOpen: boolean;
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await new Promise((resolve) => setImmediate(resolve));
}

function heardOf(requests: HeardRequest[], socket: PlayedSocket): Heard {
  const { written: answers } = socket;
  const last = answers.split('HTTP/1.1 ').at(-1) ?? '';
  const refused = last.includes('request_malformed') ? Number(last.slice(0, 3)) : undefined;
  const detail = refused && (JSON.parse(last.slice(last.indexOf('\r\n\r\n'))) as { detail: string }).detail;
  return {
    requests,
    answers,
    refused,
    detail: detail || undefined,
    isOpen: !socket.destroyed && !socket.writableEnded,
  };
}

/** `cuts`: where what is sent is cut to pieces. */
export async function heardHere(bytes: Buffer, cuts: number[] = []): Promise<Heard> {
  const [socket, requests] = [new PlayedSocket(), [] as HeardRequest[]];
  new WireConnection(socket as unknown as TLSSocket, {
    ...{ now: () => 0, monotonic: () => 0 },
    headEnd: (closes) => `connection: ${closes ? 'close' : 'keep-alive'}\r\n\r\n`,
    asked: (request, response) => {
      const { method, url, fields } = request;
      const heard = { method, url, fields: paired(fields), body: '' };
      request.on('data', (piece) => {
        heard.body += piece.toString('latin1');
      });
      request.on('end', () => {
        requests.push(heard);
        response.writeHead(200, {}).end('');
      });
    },
  });
  socket.send(bytes, ...cuts);
  await settled();
  return heardOf(requests, socket);
}

export async function heardByNode(bytes: Buffer): Promise<Heard> {
  const [socket, requests] = [new PlayedSocket(), [] as HeardRequest[]];
  const server = createServer({ connectionsCheckingInterval: 2 ** 30 }, (request: IncomingMessage, response) => {
    const fields = paired(request.rawHeaders).map(([name, value]): [string, string] => [name.toLowerCase(), value]);
    const heard = { method: request.method, url: request.url, fields, body: '' };
    request.on('data', (piece: Buffer) => {
      heard.body += piece.toString('latin1');
    });
    request.on('end', () => {
      requests.push(heard);
      response.writeHead(200, { 'content-length': 0 }).end();
    });
  });
  let refused: number | undefined;
  // Not ended for it: what stands before may not have been heard of yet.
  server.on('clientError', () => {
    refused = 400;
  });
  server.emit('connection', socket);
  socket.send(bytes);
  await settled();
  const heard = heardOf(requests, socket);
  socket.destroy();
  server.close();
  return { ...heard, refused };
}

function paired(flat: readonly string[]): [string, string][] {
  return flat.flatMap((name, at): [string, string][] => (at % 2 === 0 ? [[name, flat[at + 1] as string]] : []));
}
