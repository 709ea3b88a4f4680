import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import type { Receipt } from '@portcullis/contract';
import type { House } from '../packages/server/test/house.ts';
import { Operator } from '../packages/server/test/operator.ts';
import { freeBasePort, Running, succeeded } from '../tools/commands.ts';
import { BareRows } from './bare-rows.ts';
import type { Result, Row } from './bench.ts';
import { type Distribution, distributionOf, inShort } from './distribution.ts';
import { fillFleet, idOf } from './fleet.ts';
import { rounded, thousands } from './measure.ts';
import { type ListTimes, measureRevocationList } from './revocation-list.ts';
import { openStage, type Stage } from './stage.ts';

interface Scale {
  sizes: number[];
  changes: number;
  revocations: number;
  cuts: number;
}

const usual: Scale = { sizes: [1_000, 100_000], changes: 1_000, revocations: 200, cuts: 100 };
const full: Scale = { sizes: [1_000, 100_000, 1_000_000], changes: 5_000, revocations: 900, cuts: 300 };
const warmUps = 30;
const gatesMax = 4;
const device = 'truck-17';
const target = { p50: 10, p99: 25 };
/** Of the largest fleet beside the smallest. */
const timesMax = 1.2;

interface Receipts {
  /** Request sent → answer with the receipt read, by the operator's clock. */
  sent: number[];
  /** Of it: committed → in force at every gate, as the receipt says. */
  inForce: number[];
}

/** `after`: what is done behind each receipt. */
async function receipts(
  count: number,
  change: (index: number) => Promise<Receipt>,
  after: () => void = () => undefined,
): Promise<Receipts> {
  const times: Receipts = { sent: [], inForce: [] };
  for (let index = 0; index < count; index++) {
    const sent = performance.now();
    const { confirmed, elapsedMs } = await change(index);
    if (!confirmed || elapsedMs === null) throw new Error('a receipt was not confirmed');
    times.sent.push(performance.now() - sent);
    times.inForce.push(elapsedMs);
    after();
  }
  return times;
}

/** One attribute, to and fro. */
async function flips(operator: Operator, count: number, after?: () => void): Promise<Receipts> {
  const flip = (index: number) => operator.set(device, { status: index % 2 === 0 ? 'off' : 'active' });
  await receipts(warmUps, flip);
  return receipts(count, flip, after);
}

/** The device's own connection, over which it sends what it likes. */
class Line {
  readonly socket: TLSSocket;
  readonly closed: Promise<number>;

  private constructor(socket: TLSSocket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.once('close', () => resolve(performance.now())));
    socket.on('error', () => undefined);
  }

  static async open({ pem, house }: Stage): Promise<Line> {
    const file = (name: string) => readFileSync(join(pem, name));
    const identity = { key: file('key.pem'), cert: file('cert.pem'), ca: file('root.pem') };
    const socket = connect({ host: 'localhost', port: house.basePort + 3, ...identity, minVersion: 'TLSv1.3' });
    socket.setNoDelay(true);
    await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
    return new Line(socket);
  }

  /** The status of one reading; 0 when the connection ended instead. */
  send(): Promise<number> {
    const body = '{"temperature":4}';
    const head = `POST /v1/streams/telemetry/readings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
    return new Promise((resolve) => {
      const done = (status: number) => {
        this.socket.off('data', answered);
        this.socket.off('close', ended);
        resolve(status);
      };
      const answered = (bytes: Buffer) => done(Number(/^HTTP\/1\.1 (\d{3})/.exec(bytes.toString('latin1'))?.[1] ?? 0));
      const ended = () => done(0);
      if (this.socket.destroyed) return resolve(0);
      this.socket.on('data', answered).on('close', ended);
      this.socket.write(head + body);
    });
  }
}

async function admitted(stage: Stage, operator: Operator): Promise<Line> {
  await operator.set(device, { status: 'active' });
  const line = await Line.open(stage);
  const status = await line.send();
  if (status !== 202) throw new Error(`a reading that should be admitted was answered with ${status}`);
  return line;
}

/** From the change being sent to the close of an idle open connection of the device. */
async function closings(stage: Stage, operator: Operator, count: number): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < count; index++) {
    const line = await admitted(stage, operator);
    const sent = performance.now();
    await operator.set(device, { status: 'off' });
    times.push((await line.closed) - sent);
  }
  return times;
}

interface Refusals {
  /** Change sent → the first reading of a device that sends without a pause is not accepted any more. */
  first: number[];
  /** Change sent → its first answer 403; who finds the connection closed asks again over a new one at once. */
  told: number[];
}

async function refusals(stage: Stage, operator: Operator, count: number): Promise<Refusals> {
  const refused: Refusals = { first: [], told: [] };
  for (let index = 0; index < count; index++) {
    let line = await admitted(stage, operator);
    const sent = performance.now();
    let receiptAt = Number.POSITIVE_INFINITY;
    const change = operator.set(device, { status: 'off' }).then(() => {
      receiptAt = performance.now();
    });
    for (let status = 202; status !== 403; ) {
      const asked = performance.now();
      status = await line.send();
      if (status === 202 && asked > receiptAt) throw new Error('a reading was admitted after the receipt');
      if (status !== 202 && refused.first.length === index) refused.first.push(performance.now() - sent);
      if (status === 0) line = await Line.open(stage);
    }
    refused.told.push(performance.now() - sent);
    line.socket.destroy();
    await change;
  }
  return refused;
}

/** Makes its directory; nothing runs. */
export async function joinGateDirectory(house: House, name: string): Promise<string> {
  const token = await succeeded('portcullis', 'token', 'create', name, '--kind', 'gate', '--fleet', house.fleet);
  const directory = join(house.home, name);
  await succeeded('portcullis', 'gate', 'join', directory, token, '--port', String(await freeBasePort()));
  return directory;
}

export async function joinGate(house: House, number: number): Promise<Running> {
  const gate = new Running('portcullis', 'start', 'gate', await joinGateDirectory(house, `gate-${number}`));
  await gate.line(/^gate listening/, 60_000).catch(async (error: unknown) => {
    await gate.stop();
    throw error;
  });
  return gate;
}

const nothing = { peer: '', target: '', met: null };

/** What is wanted of the times, and what the disk took for itself meanwhile. */
interface Beside {
  wanted?: typeof target;
  bare?: number[];
}

/** What one size of fleet gave. */
class Findings {
  readonly rows: Row[] = [];
  readonly distributions: Distribution[] = [];
  /** With all gates, what was sent → its receipt. */
  readonly receipts = new Map<string, Distribution>();
  readonly certificates: number;
  readonly #size: string;

  constructor(certificates: number) {
    this.certificates = certificates;
    this.#size = `${thousands(certificates)} certificates`;
  }

  add(what: string, times: number[], { wanted, bare }: Beside = {}): Distribution {
    const one = distributionOf(`${what}, ${this.#size}`, times);
    this.distributions.push(one);
    const met = wanted ? one.p50 <= wanted.p50 && one.p99 <= wanted.p99 : null;
    const words = wanted ? `p50 ≤ ${wanted.p50}, p99 ≤ ${wanted.p99} ms` : '';
    const peer = bare ? `${inShort(distributionOf('', bare))} (a bare row of SQLite, flushed, behind each)` : '';
    this.rows.push({ what: one.what, ours: inShort(one), peer, target: words, met });
    return one;
  }

  addReceipts(what: string, gates: number, { sent, inForce }: Receipts, beside?: Beside): void {
    const at = gates === 1 ? '1 gate' : `${gates} gates`;
    const one = this.add(`${what} sent → receipt, ${at}`, sent, beside);
    if (gates === gatesMax) this.receipts.set(what, one);
    this.add(`of it, ${what} committed → in force, ${at}`, inForce);
  }
}

async function measureSize(certificates: number, scale: Scale, list: ListTimesOf | undefined): Promise<Findings> {
  said(`a fleet of ${thousands(certificates)} certificates`);
  const stage = await openStage((fleet) => fillFleet(fleet, certificates));
  const operator = new Operator(stage.house.fleet);
  const gates: Running[] = [];
  const found = new Findings(certificates);
  try {
    said('one gate');
    found.addReceipts('change', 1, await flips(operator, scale.changes));
    const refused = await refusals(stage, operator, scale.cuts);
    found.add('change sent → a busy connection is served no more', refused.first);
    found.add('change sent → first 403, over a new connection if need be', refused.told);
    found.add('change sent → open idle connection closed', await closings(stage, operator, scale.cuts));
    for (let number = 2; number <= gatesMax; number++) gates.push(await joinGate(stage.house, number));
    said(`${gatesMax} gates`);
    using rows = new BareRows();
    const changed = await flips(operator, scale.changes, () => rows.commit());
    found.addReceipts('change', gatesMax, changed, { wanted: target, bare: rows.times });
    const revoke = (index: number) => operator.stand('revoke', idOf(index));
    found.addReceipts('revocation', gatesMax, await receipts(scale.revocations, revoke));
    if (list) found.rows.push(...listRows(await list(stage, certificates), certificates));
    return found;
  } finally {
    operator.close();
    for (const gate of gates) await gate.stop();
    await stage.close();
  }
}

type ListTimesOf = typeof measureRevocationList;

/** The same job with what users have today, on the same machine. */
function listRows(times: ListTimes | undefined, entries: number): Row[] {
  const documented = {
    ...nothing,
    what: 'a policy change at AWS IoT',
    ours: '',
    peer: '6 to 8 minutes (documented, not measured)',
  };
  if (!times)
    return [{ ...nothing, what: 'the same with nginx', ours: '', peer: 'nginx is not installed' }, documented];
  const { newConnections, stillServed, bystandersClosed } = times;
  const rounds = newConnections.length;
  const span = `${rounded(Math.min(...newConnections), 0)} to ${rounded(Math.max(...newConnections), 0)} ms`;
  const peer = `${span} (nginx, list of ${thousands(entries)} made anew, reload; ${rounds} times)`;
  const open = `served after the reload: ${stillServed} of ${rounds} (nginx)`;
  const others = `closed by the reload: ${bystandersClosed} of ${rounds} (nginx)`;
  return [
    { ...nothing, what: 'the same, until a new connection is refused', ours: 'as above', peer },
    { ...nothing, what: 'the same, on a connection that was open', ours: 'closed, as above', peer: open },
    { ...nothing, what: 'open connections of others', ours: 'left alone', peer: others },
    documented,
  ];
}

/** How much longer the largest fleet waits than the smallest; `judged`: it is as large as what is wanted is said of. */
function growthRows(found: readonly Findings[], judged: boolean): Row[] {
  const [few, many] = [found[0], found.at(-1)];
  if (!few || !many) return [];
  return [...many.receipts].flatMap(([what, ours]) => {
    const peer = few.receipts.get(what);
    if (!peer) return [];
    const times = ours.p50 / peer.p50;
    return {
      what: `${what} sent → receipt, ${gatesMax} gates, ${thousands(many.certificates)} beside ${thousands(few.certificates)} certificates`,
      ours: `${rounded(times, 2)} × (p50), ${rounded(ours.p99 / peer.p99, 2)} × (p99)`,
      peer: '',
      ...(judged ? { target: `p50 ≤ ${timesMax} ×`, met: times <= timesMax } : { target: '', met: null }),
    };
  });
}

/** On the other stream than the result. */
function said(what: string): void {
  process.stderr.write(`${what}\n`);
}

export async function benchCut({ full: isFull }: { full: boolean }): Promise<Result> {
  const scale = isFull ? full : usual;
  const found: Findings[] = [];
  for (const size of scale.sizes) {
    found.push(await measureSize(size, scale, size === 100_000 ? measureRevocationList : undefined));
  }
  return {
    rows: [...found.flatMap(({ rows }) => rows), ...growthRows(found, isFull)],
    distributions: found.flatMap(({ distributions }) => distributions),
  };
}
