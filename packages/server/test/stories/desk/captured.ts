/** A desk in the wrong hands: it ends TLS with a certificate that devices take, and does what it likes with what passes. */
import { once } from 'node:events';
import { createServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Forged } from '../man-in-the-middle/interception.ts';

export type Body = Record<string, unknown>;

export interface Exchanged {
  path: string;
  asked: Body;
  status: number;
  answer: Body;
}

export interface CapturedDesk {
  url: string;
  /** All that passed, as it came. */
  seen: Exchanged[];
  /** What the true authority is asked in place of what was asked. */
  asks: (asked: Body, path: string) => Body;
  /** What the device is told in place of the answer. */
  tells: (answer: Body, path: string) => Body;
  /** Everybody behaves again. */
  calm(): void;
  close(): void;
}

const honest = { asks: (asked: Body) => asked, tells: (answer: Body) => answer };

export async function captureDesk({ key, cert }: Forged, authority: string, ca: string): Promise<CapturedDesk> {
  const server = createServer({ key, cert, minVersion: 'TLSv1.3' }, async (incoming, response) => {
    const path = incoming.url ?? '';
    const asked = JSON.parse(await text(incoming)) as Body;
    const { status, answer } = await forward(`${authority}${path}`, ca, desk.asks(asked, path));
    desk.seen.push({ path, asked, status, answer });
    const told = status === 200 ? desk.tells(answer, path) : answer;
    const type = status === 200 ? 'application/json' : 'application/problem+json';
    response.writeHead(status, { 'content-type': type }).end(JSON.stringify(told));
  });
  await once(server.listen(0, 'localhost'), 'listening');
  const desk: CapturedDesk = {
    url: `https://localhost:${(server.address() as AddressInfo).port}`,
    seen: [],
    ...honest,
    calm: () => void Object.assign(desk, honest),
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
  return desk;
}

async function forward(url: string, ca: string, body: Body): Promise<{ status: number; answer: Body }> {
  const sent = request(url, { method: 'POST', ca, headers: { 'content-type': 'application/json' }, agent: false });
  sent.end(JSON.stringify(body));
  const [incoming] = (await once(sent, 'response')) as [import('node:http').IncomingMessage];
  return { status: incoming.statusCode ?? 0, answer: JSON.parse(await text(incoming)) as Body };
}
