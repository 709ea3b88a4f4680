import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import type { Receipt } from '@portcullis/contract';
import { Receipt as ReceiptShape } from '@portcullis/contract';
import { exchange, Link, readCredential } from '@portcullis/device';
import { Running, succeeded } from '../tools/commands.ts';
import type { Row } from './bench.ts';
import { fillFleet } from './fleet.ts';
import { quantile, rounded, thousands } from './measure.ts';
import { measureRevocationList } from './revocation-list.ts';
import { openStage, type Stage } from './stage.ts';

const changes = 300;

/** Changes one attribute to and fro, each time waiting for the receipt. */
class Operator {
  readonly #link: Link;
  readonly #url: string;

  constructor(fleet: string) {
    const credential = readCredential(join(fleet, 'operator.json'));
    this.#link = new Link({ roots: credential.roots, fleet: credential.fleet, role: 'authority', credential });
    this.#url = `${credential.authority}/v1/attributes?wait=all`;
  }

  set(status: string): Promise<Receipt> {
    return exchange(this.#link, this.#url, { subjects: ['truck-17'], set: { status } }, ReceiptShape);
  }

  close(): void {
    this.#link.close();
  }
}

async function receipts(operator: Operator): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < changes + 20; index++) {
    const sent = performance.now();
    const receipt = await operator.set(index % 2 === 0 ? 'off' : 'active');
    if (!receipt.confirmed) throw new Error('a receipt was not confirmed');
    if (index >= 20) times.push(performance.now() - sent);
  }
  return times;
}

/** From the change being sent to the close of an idle open connection of the device. */
async function closings(stage: Stage, operator: Operator): Promise<number[]> {
  const file = (name: string) => readFileSync(join(stage.pem, name));
  const identity = { key: file('key.pem'), cert: file('cert.pem'), ca: file('root.pem') };
  const times: number[] = [];
  for (let index = 0; index < 50; index++) {
    await operator.set('active');
    const socket = connect({ host: 'localhost', port: stage.house.basePort + 3, ...identity, minVersion: 'TLSv1.3' });
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    await admitted(socket);
    const closed = new Promise<number>((resolve) => socket.once('close', () => resolve(performance.now())));
    socket.on('error', () => undefined);
    const sent = performance.now();
    await operator.set('off');
    times.push((await closed) - sent);
  }
  await operator.set('active');
  return times;
}

/** One reading over the connection, so that the gate knows it. */
function admitted(socket: ReturnType<typeof connect>): Promise<void> {
  const body = '{"temperature":4}';
  socket.write(
    `POST /v1/streams/telemetry/readings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  return new Promise((resolve, reject) => {
    socket.once('data', (bytes: Buffer) => {
      if (bytes.toString().startsWith('HTTP/1.1 202')) resolve();
      else reject(new Error(`not admitted: ${bytes.toString().slice(0, 200)}`));
    });
  });
}

async function joinGate({ house }: Stage, number: number): Promise<Running> {
  const token = await succeeded(
    'portcullis',
    'token',
    'create',
    `gate-${number}`,
    '--kind',
    'gate',
    '--fleet',
    house.fleet,
  );
  const directory = join(house.home, `gate-${number}`);
  await succeeded('portcullis', 'gate', 'join', directory, token, '--port', String(house.basePort + 10 + number));
  const gate = new Running('portcullis', 'start', 'gate', directory);
  await gate.line(/^gate listening/);
  return gate;
}

const milliseconds = (times: number[]) =>
  `p50 ${rounded(quantile(times, 0.5), 1)}, p99 ${rounded(quantile(times, 0.99), 1)}, max ${rounded(Math.max(...times), 1)} ms`;

const nothing = { peer: '', target: '', met: null };

/** One size of fleet: receipts with one gate and with four, and closed connections. */
async function measureSize(certificates: number, withList: boolean): Promise<Row[]> {
  const stage = await openStage((fleet) => fillFleet(fleet, certificates));
  const gates: Running[] = [];
  const operator = new Operator(stage.house.fleet);
  const size = `${thousands(certificates)} certificates`;
  try {
    const one = await receipts(operator);
    const closed = await closings(stage, operator);
    for (const number of [2, 3, 4]) gates.push(await joinGate(stage, number));
    const four = await receipts(operator);
    const met = quantile(four, 0.5) <= 10 && quantile(four, 0.99) <= 25;
    const rows: Row[] = [
      { what: `change sent → receipt, 1 gate, ${size}`, ours: milliseconds(one), ...nothing },
      {
        what: `change sent → receipt, 4 gates, ${size}`,
        ours: milliseconds(four),
        peer: '',
        target: 'p50 ≤ 10, p99 ≤ 25 ms',
        met,
      },
      { what: `change sent → open connection closed, ${size}`, ours: milliseconds(closed), ...nothing },
    ];
    return withList ? [...rows, ...(await listRows(stage, certificates))] : rows;
  } finally {
    operator.close();
    for (const gate of gates) await gate.stop();
    await stage.close();
  }
}

/** The same job with what users have today, on the same machine. */
async function listRows(stage: Stage, entries: number): Promise<Row[]> {
  const times = await measureRevocationList(stage, entries);
  const peer = times
    ? `${milliseconds(times.newConnections)} (nginx, list of ${thousands(entries)}, reload)`
    : 'nginx is not installed';
  const open = times
    ? `still served: ${times.stillServed} of ${times.newConnections.length} (nginx)`
    : 'nginx is not installed';
  return [
    { ...nothing, what: 'the same, until a new connection is refused', ours: 'as above', peer },
    { ...nothing, what: 'the same, on a connection that was open', ours: 'closed, as above', peer: open },
    { ...nothing, what: 'a policy change at AWS IoT', ours: '', peer: '6 to 8 minutes (documented, not measured)' },
  ];
}

export async function benchCut(): Promise<Row[]> {
  return [...(await measureSize(1_000, false)), ...(await measureSize(100_000, true))];
}
