/** Look-ups by code at a desk: from the cache, each of another shipment, as page, and what is still held; a bare server that says the same bytes beside. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { FleetCertificates } from '../packages/server/test/fleet-certificates.ts';
import type { Row } from './bench.ts';
import { cpuSeconds, rounded, thousands } from './measure.ts';
import type { Done, Job } from './public-load.ts';
import type { Asked, Listening } from './public-server.ts';

const shipments = 60_000;
const milliseconds = 4_000;
const connections = 16;
const execArgv = ['--conditions=portcullis-source'];

const childOf = (file: string) => fork(join(import.meta.dirname, file), { execArgv });

async function asked<Answer>(child: ChildProcess, message: object): Promise<Answer> {
  const told = once(child, 'message') as Promise<[Answer]>;
  child.send(message);
  return (await told)[0];
}

interface Seen {
  perCore: number;
  perSecond: number;
  microseconds: number;
  bytes: number;
}

class Ground {
  readonly #phones = childOf('public-load.ts');
  readonly #servers: ChildProcess[] = [];
  readonly #ca: string;
  readonly #listener: Pick<Asked, 'key' | 'certificate'>;

  private constructor(ca: string, listener: Pick<Asked, 'key' | 'certificate'>) {
    this.#ca = ca;
    this.#listener = listener;
  }

  static async make(): Promise<Ground> {
    const certificates = await FleetCertificates.make();
    const { key, cert } = await certificates.leaf({ subject: 'desk-1', kind: 'desk', purpose: 'server' });
    return new Ground(certificates.rootPem, { key, certificate: cert });
  }

  async server(bare: boolean): Promise<{ child: ChildProcess } & Listening> {
    const child = childOf('public-server.ts');
    this.#servers.push(child);
    return { child, ...(await asked<Listening>(child, { bare, shipments, ...this.#listener })) };
  }

  /** By the processor time of the server alone: phones share the machine with it. */
  async measure(child: ChildProcess, job: Pick<Job, 'port' | 'paths' | 'headers'>): Promise<Seen> {
    const run = (ms: number) =>
      asked<Done>(this.#phones, { ...job, ca: this.#ca, connections, milliseconds: ms } satisfies Job);
    const before = cpuSeconds(child.pid as number);
    const done = await run(milliseconds);
    const spent = cpuSeconds(child.pid as number) - before;
    if (done.failed > 0) throw new Error(`${done.failed} look-ups were not answered`);
    const perSecond = (done.answered / done.milliseconds) * 1_000;
    return {
      perCore: done.answered / spent,
      perSecond,
      microseconds: (spent / done.answered) * 1e6,
      bytes: done.bytes,
    };
  }

  close(): void {
    for (const child of [this.#phones, ...this.#servers]) child.kill();
  }
}

export async function benchPublic(): Promise<Row[]> {
  const ground = await Ground.make();
  try {
    const desk = await ground.server(false);
    const bare = await ground.server(true);
    const paths = desk.codes.map((code) => `/v1/public/${code}`);
    const one = { port: desk.port, paths: paths.slice(0, 1), headers: '' };
    // Both are warm, and the bytes are the same.
    await ground.measure(desk.child, one);
    const peer = await ground.measure(bare.child, { ...one, port: bare.port });
    const cached = await ground.measure(desk.child, one);
    const page = await ground.measure(desk.child, { ...one, paths: [`/v/${desk.codes[0]}`] });
    const held = await ground.measure(desk.child, { ...one, headers: 'if-none-match: *\r\n' });
    const other = await ground.measure(desk.child, { ...one, paths });
    const cms = await ground.measure(desk.child, { ...one, paths: paths.map((path) => `${path}.p7s`) });
    const row = (what: string, { perCore, microseconds, bytes }: Seen, least?: number): Row => ({
      what: `${what}, ${bytes} bytes`,
      ours: `${thousands(perCore)}/s per core, ${rounded(microseconds)} µs`,
      ...{ peer: '', target: least === undefined ? '' : `≥ ${thousands(least)}/s`, met: null },
      ...(least !== undefined && { met: perCore >= least }),
    });
    return [
      { ...row('one shipment, from the cache, JSON', cached, 5_000), peer: `${thousands(peer.perCore)}/s bare` },
      row('the same, as page', page),
      row('the same, still held: 304', held),
      row('each another shipment, JSON', other, 1_500),
      row('each another shipment, CMS', cms),
    ];
  } finally {
    ground.close();
  }
}
