/** A desk's public side over shipments in memory, in a process of its own; with `bare` in its place a server that says the same bytes and knows nothing. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { PublicSubject } from '@portcullis/contract';
import { Front } from '../packages/server/src/desk/front.ts';
import { codeHash } from '../packages/server/src/publication/code-hash.ts';
import { createLog, realSystem } from '../packages/server/src/telemetry/telemetry.ts';
import { codeOf, PublicFleet } from '../packages/server/test/public-fleet.ts';

export interface Asked {
  bare: boolean;
  shipments: number;
  /** Of the listener. */
  key: string;
  certificate: string;
}
export interface Listening {
  port: number;
  codes: string[];
}

const limits = {
  ...{ handshakeMs: 10_000, connectionsMax: 2_000, pendingHandshakesMax: 256, idleMs: 60_000, requestMs: 30_000 },
  ...{ unfinishedBytesPerAddressMax: 1_048_576, unfinishedBytesMax: 1_048_576 },
  ...{ relayedMax: 1, relayedPerAddressMax: 1, relayMs: 1_000, lookUpAgeMs: 60_000, publicAgeMs: 3_600_000 },
};
const header = (value: string | string[] | undefined) => (Array.isArray(value) ? value.join(',') : value);

async function publicDesk(fleet: PublicFleet, { key, certificate }: Asked): Promise<number> {
  const log = createLog({ role: 'desk', level: 'warn' });
  const front = new Front(
    { key, certificate },
    {
      ...{ limits, log, system: realSystem },
      async answer({ url: path = '', headers, socket }) {
        const { accept, 'accept-language': acceptLanguage, 'if-none-match': held } = headers;
        const from = socket.remoteAddress ?? '';
        return fleet.publication.answer({ path, from, accept, acceptLanguage, ifNoneMatch: header(held) });
      },
    },
  );
  return front.listen({ host: '127.0.0.1', port: 0 });
}

async function bareServer(fleet: PublicFleet, code: string, { key, certificate }: Asked): Promise<number> {
  const { headers, body } = fleet.ask(`/v1/public/${code}`);
  const server: Server = createServer({ key, cert: certificate, minVersion: 'TLSv1.3' }, (_request, response) => {
    response.writeHead(200, { ...headers, 'content-length': body.length }).end(body);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return (server.address() as AddressInfo).port;
}

async function listen(asked: Asked): Promise<Listening> {
  const fleet = await PublicFleet.make();
  const changedAt = '2030-01-01T00:00:00.000Z';
  const attributes = { destination: { value: 'Basel', changedAt, revision: 4 } } as PublicSubject['attributes'];
  const first = await fleet.put('box-0', { attributes });
  const codes = Array.from({ length: asked.shipments }, (_, index) => codeOf(`box-${index}`));
  for (const [index, code] of codes.entries())
    fleet.subjects.set(codeHash(code), { ...first, subject: `box-${index}` as PublicSubject['subject'] });
  // The minute goes on as it does at a desk.
  const began = performance.now();
  setInterval(() => {
    fleet.clock.ageMs = performance.now() - began;
  }, 100).unref();
  const port = asked.bare ? await bareServer(fleet, codes[0] ?? '', asked) : await publicDesk(fleet, asked);
  return { port, codes };
}

process.once('message', (asked: Asked) => {
  void listen(asked).then((listening) => process.send?.(listening));
});
