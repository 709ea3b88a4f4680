/** A TLS listener as a gate's, in a process of its own: its processor time and memory are that of handshakes alone. */
import { constants } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';

/** As a gate asks for certificates, and resumes nothing. */
export interface Listening {
  key: string;
  cert: string;
  ca: string;
}

export type Asked = { listen: Listening } | { use: true };
export type Told = { port: number } | { cpuMs: number; rssBytes: number };

let server: Server | undefined;
const open = new Set<TLSSocket>();

function listen(listening: Listening): void {
  for (const socket of open) socket.destroy();
  server?.close();
  const { SSL_OP_NO_TICKET: secureOptions } = constants;
  const options = {
    ...listening,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.3',
    secureOptions,
  } as const;
  const opened = createServer(options, (socket) => {
    open.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => open.delete(socket));
    // Who sees this has been let in.
    socket.write('!');
  });
  server = opened;
  const tell = () => process.send?.({ port: (opened.address() as AddressInfo).port } satisfies Told);
  opened.listen({ host: '127.0.0.1', port: 0, backlog: 1_024 }, tell);
}

process.on('message', (asked: Asked) => {
  if ('listen' in asked) return listen(asked.listen);
  globalThis.gc?.();
  const { user, system } = process.cpuUsage();
  process.send?.({ cpuMs: (user + system) / 1_000, rssBytes: process.memoryUsage.rss() } satisfies Told);
});
