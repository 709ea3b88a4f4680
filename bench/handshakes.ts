/** What a handshake of ML-DSA costs beside one of P-256: processor time of both ends, bytes, memory of a connection that stays. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, createServer } from 'node:net';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import type { KeyAlgorithm } from '@portcullis/contract';
import { FleetCertificates } from '../packages/server/test/fleet-certificates.ts';
import type { Row } from './bench.ts';
import type { Asked, Listening, Told } from './handshakes-server.ts';

/** Root and issuers, the gate's key, the devices'. */
type Case = readonly [authority: KeyAlgorithm, gate: KeyAlgorithm, device: KeyAlgorithm];
const cases: readonly Case[] = [
  ['p-256', 'p-256', 'p-256'],
  ['ml-dsa-44', 'p-256', 'p-256'],
  ['ml-dsa-44', 'p-256', 'ml-dsa-44'],
  ['ml-dsa-44', 'ml-dsa-44', 'ml-dsa-44'],
  ['ml-dsa-65', 'ml-dsa-44', 'ml-dsa-44'],
  ['ml-dsa-65', 'ml-dsa-65', 'p-256'],
  ['ml-dsa-65', 'ml-dsa-65', 'ml-dsa-65'],
  ['ml-dsa-87', 'ml-dsa-87', 'ml-dsa-87'],
];
/** The middle of so many turns, each of so many handshakes: cases take turns, so that whatever else the machine does meets all of them. */
const [turns, handshakes, warm] = [5, 40, 40];
const openConnections = 150;

interface Ready {
  name: string;
  listening: Listening;
  client: { key: string; cert: string; ca: string };
}

interface Measured {
  serverMs: number[];
  clientMs: number[];
  toServer: number;
  toClient: number;
  openBytes: number;
}

async function ready([authority, gate, device]: Case): Promise<Ready> {
  const certificates = await FleetCertificates.make(undefined, authority);
  const server = await certificates.leaf({ subject: 'gate-1', kind: 'gate', purpose: 'server', algorithm: gate });
  const leaf = await certificates.leaf({ subject: 'truck-1', algorithm: device });
  const listening = { key: server.key, cert: server.cert, ca: certificates.trust };
  const client = { key: leaf.key, cert: leaf.cert, ca: certificates.rootPem };
  return { name: `issuers ${authority}, gate ${gate}, devices ${device}`, listening, client };
}

class Far {
  readonly #process: ChildProcess;

  constructor() {
    const execArgv = ['--conditions=portcullis-source', '--expose-gc'];
    this.#process = fork(join(import.meta.dirname, 'handshakes-server.ts'), { execArgv });
  }

  async ask<Answer extends Told>(asked: Asked): Promise<Answer> {
    const answered = once(this.#process, 'message');
    this.#process.send(asked);
    return (await answered)[0] as Answer;
  }

  close(): void {
    this.#process.kill();
  }
}
type Use = Extract<Told, { cpuMs: number }>;

async function opened(port: number, client: Ready['client']): Promise<TLSSocket> {
  const socket = connect({ ...client, port, host: '127.0.0.1', servername: 'localhost', minVersion: 'TLSv1.3' });
  await once(socket, 'data');
  return socket;
}

async function shakeHands(port: number, client: Ready['client'], count: number): Promise<void> {
  for (let done = 0; done < count; done++) {
    const socket = await opened(port, client);
    socket.destroy();
  }
}

/** Counted on the way, between two TCP connections. */
async function bytesOf(port: number, client: Ready['client']): Promise<{ toServer: number; toClient: number }> {
  const seen = { toServer: 0, toClient: 0 };
  const relay = createServer((near) => {
    const far = connectTcp(port, '127.0.0.1');
    near.on('data', (piece) => {
      seen.toServer += piece.length;
      far.write(piece);
    });
    far.on('data', (piece) => {
      seen.toClient += piece.length;
      near.write(piece);
    });
    for (const end of [near, far])
      end.on('error', () => undefined).on('close', () => [near, far].map((one) => one.destroy()));
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  const socket = await opened((relay.address() as AddressInfo).port, client);
  socket.destroy();
  relay.close();
  return seen;
}

async function bytesOpen(far: Far, port: number, client: Ready['client']): Promise<number> {
  const before = await far.ask<Use>({ use: true });
  const sockets: TLSSocket[] = [];
  while (sockets.length < openConnections) sockets.push(await opened(port, client));
  const after = await far.ask<Use>({ use: true });
  for (const socket of sockets) socket.destroy();
  return (after.rssBytes - before.rssBytes) / openConnections;
}

async function measureOnce(far: Far, { listening, client }: Ready, into: Measured): Promise<void> {
  const { port } = await far.ask<{ port: number }>({ listen: listening });
  await shakeHands(port, client, into.serverMs.length === 0 ? warm : 2);
  const [there, here] = [await far.ask<Use>({ use: true }), process.cpuUsage()];
  await shakeHands(port, client, handshakes);
  const mine = process.cpuUsage(here);
  into.serverMs.push(((await far.ask<Use>({ use: true })).cpuMs - there.cpuMs) / handshakes);
  into.clientMs.push((mine.user + mine.system) / 1_000 / handshakes);
}

export async function benchHandshakes(): Promise<Row[]> {
  const all = await Promise.all(cases.map(ready));
  const measured = all.map((): Measured => ({ serverMs: [], clientMs: [], toServer: 0, toClient: 0, openBytes: 0 }));
  const far = new Far();
  try {
    for (let turn = 0; turn < turns; turn++)
      for (const [at, one] of all.entries()) await measureOnce(far, one, measured[at] as Measured);
  } finally {
    far.close();
  }
  for (const [at, one] of all.entries()) {
    // In a process of its own: what an earlier case left to the heap would be in it.
    const alone = new Far();
    const { port } = await alone.ask<{ port: number }>({ listen: one.listening });
    await shakeHands(port, one.client, warm);
    const openBytes = await bytesOpen(alone, port, one.client);
    Object.assign(measured[at] as Measured, { ...(await bytesOf(port, one.client)), openBytes });
    alone.close();
  }
  const usual = told(measured[0] as Measured, measured[0] as Measured);
  return all.map(({ name }, at) => {
    const ours = told(measured[at] as Measured, measured[0] as Measured);
    return { what: name, ours, peer: usual, target: '', met: null };
  });
}

const middle = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;

function told({ serverMs, clientMs, toServer, toClient, openBytes }: Measured, usual: Measured): string {
  const cpu = (mine: number[], theirs: number[]) =>
    `${middle(mine).toFixed(2)} ms (${(middle(mine) / middle(theirs)).toFixed(2)} ×)`;
  const ends = `server ${cpu(serverMs, usual.serverMs)}, device ${cpu(clientMs, usual.clientMs)}`;
  return `${ends}, ${toServer} B in, ${toClient} B out, ${Math.round(openBytes / 1_024)} KiB open`;
}
