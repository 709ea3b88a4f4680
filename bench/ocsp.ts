/** Questions about certificates at a desk: one again and again, each another, and with a nonce; `openssl ocsp` as responder beside. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { randomBytes, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { fromPem } from '../packages/server/src/pki/pki.ts';
import { readSqliteStore } from '../packages/server/src/storage/storage.ts';
import { eventually, House } from '../packages/server/test/house.ts';
import { certificateId, nonceExtension, question } from '../packages/server/test/ocsp-question.ts';
import { freeBasePort } from '../tools/commands.ts';
import type { Row } from './bench.ts';
import { fillFleet, serialOf } from './fleet.ts';
import { cpuSeconds, rounded, thousands } from './measure.ts';
import type { Done, Job } from './ocsp-load.ts';
import { ListAuthority } from './revocation-list.ts';
import { joinDesk } from './stage.ts';

const certificates = 100_000;
const milliseconds = 4_000;
const connections = 16;
const target = { perCore: 5_000, times: 5 };

interface Seen extends Done {
  perCore: number;
  microseconds: number;
}

type Asked = Pick<Job, 'port' | 'requests'> & Partial<Job>;

class Askers {
  readonly #child = fork(join(import.meta.dirname, 'ocsp-load.ts'), { execArgv: ['--conditions=portcullis-source'] });

  async run(job: Asked): Promise<Done> {
    const told = once(this.#child, 'message') as Promise<[Done]>;
    this.#child.send({ milliseconds, connections, addresses: false, once: false, ...job } satisfies Job);
    return (await told)[0];
  }

  /** By the processor time of the server alone: who asks shares the machine with it. */
  async measure(pid: number, job: Asked): Promise<Seen> {
    const before = cpuSeconds(pid);
    const done = await this.run(job);
    const spent = cpuSeconds(pid) - before;
    if (done.failed > 0) throw new Error(`${done.failed} questions were not answered, and ${done.answered} were`);
    return { ...done, perCore: done.answered / spent, microseconds: (spent / done.answered) * 1e6 };
  }

  close(): void {
    this.#child.kill();
  }
}

const post = (body: Buffer) =>
  Buffer.concat([
    Buffer.from(
      `POST /ocsp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/ocsp-request\r\ncontent-length: ${body.length}\r\n\r\n`,
    ),
    body,
  ]).toString('base64');
const get = (body: Buffer) =>
  Buffer.from(`GET /ocsp/${encodeURIComponent(body.toString('base64'))} HTTP/1.1\r\nhost: localhost\r\n\r\n`).toString(
    'base64',
  );

/** The name and the certificate of who issues to devices. */
export async function issuerOf(fleet: string): Promise<{ name: string; der: Buffer }> {
  const row = await readSqliteStore(join(fleet, 'authority')).snapshot((db) =>
    db.selectFrom('issuers').select('certificate').where('role', '=', 'device').executeTakeFirstOrThrow(),
  );
  const name = /CN=(.*)/.exec(new X509Certificate(row.certificate).subject)?.[1] as string;
  return { name, der: fromPem('CERTIFICATE', row.certificate)[0] as Buffer };
}

interface Peer {
  child: ChildProcess;
  port: number;
  request: string;
}

/** One process, as `-port` alone runs it, with as many certificates. It has HTTP/1.0, and a connection for each question. */
async function startPeer(home: string): Promise<Peer> {
  const authority = new ListAuthority(home, certificates);
  const port = await freeBasePort();
  const signer = ['-rsigner', 'ca.pem', '-rkey', 'ca.key', '-CA', 'ca.pem', '-nmin', '60', '-ignore_err'];
  const words = ['ocsp', '-index', 'index.txt', '-port', String(port), ...signer];
  const child = spawn('openssl', words, { cwd: authority.folder, stdio: 'ignore' });
  const issuer = fromPem('CERTIFICATE', authority.openssl('x509', '-in', 'ca.pem'))[0] as Buffer;
  const serial = Buffer.from('400000000000', 'hex');
  return { child, port, request: post(question([certificateId(issuer, { serial })])) };
}

export async function benchOcsp(): Promise<Row[]> {
  let issuer: { name: string; der: Buffer } = { name: '', der: Buffer.alloc(0) };
  const house = await House.open(async ({ fleet }) => {
    issuer = await issuerOf(fleet);
    await fillFleet(fleet, certificates, issuer.name);
  });
  const askers = new Askers();
  const port = house.basePort + 9;
  let [desk, peer]: [Awaited<ReturnType<typeof joinDesk>> | undefined, Peer | undefined] = [undefined, undefined];
  try {
    desk = await joinDesk(house, '--port', String(house.basePort + 2), '--revocation-port', String(port));
    peer = await startPeer(house.home);
    const idOf = (number: number) => certificateId(issuer.der, { serial: Buffer.from(serialOf(number), 'hex') });
    const plain = Array.from({ length: certificates }, (_, number) => question([idOf(number)]));
    const [first] = plain as [Buffer];
    const short = { milliseconds: 100, connections: 1 };
    const answers = async (job: Asked) => (await askers.run({ ...short, ...job })).failed === 0;
    await eventually(() => answers({ port, requests: [post(first)] }), 'the desk answers');
    await eventually(
      () => answers({ port: peer?.port as number, requests: [peer?.request as string], once: true }),
      'openssl answers',
    );
    return await measured(askers, { desk: desk.process.pid as number, port, plain, idOf }, peer);
  } finally {
    askers.close();
    peer?.child.kill();
    await desk?.stop();
    await house.close();
  }
}

interface Ours {
  desk: number;
  port: number;
  plain: Buffer[];
  idOf(number: number): Buffer;
}

async function measured(askers: Askers, { desk, port, plain, idOf }: Ours, peer: Peer): Promise<Row[]> {
  const [first] = plain as [Buffer];
  const nonces = plain
    .slice(0, 20_000)
    .map((_, number) => post(question([idOf(number)], [nonceExtension(randomBytes(16))])));
  const ours = (requests: string[], more: Partial<Job> = {}) => askers.measure(desk, { port, requests, ...more });
  // Warm, and then what is measured.
  await ours([post(first)]);
  const again = await ours([get(first)]);
  const posted = await ours([post(first)]);
  const anew = await ours([post(first)], { once: true });
  const theirs = await askers.measure(peer.child.pid as number, {
    port: peer.port,
    requests: [peer.request],
    once: true,
    connections: 4,
  });
  const each = await ours(plain.map(post), { addresses: true });
  const nonced = await ours(nonces, { addresses: true });
  const shown = ({ perCore, microseconds }: Seen) => `${thousands(perCore)}/s per core, ${rounded(microseconds)} µs`;
  const row = (what: string, seen: Seen): Row => ({
    what: `${what}, ${seen.bytes} bytes`,
    ...{ ours: shown(seen), peer: '', target: '', met: null },
  });
  const wanted = {
    target: `≥ ${thousands(target.perCore)}/s, ≥ ${target.times} ×`,
    met: posted.perCore >= Math.max(target.perCore, target.times * theirs.perCore),
  };
  const peers = { peer: `${shown(theirs)} (openssl ocsp)` };
  return [
    { ...row('one certificate again and again, by POST', posted), ...peers, ...wanted },
    row('the same by GET', again),
    { ...row('the same, a new connection for each', anew), ...peers },
    row('each another certificate', each),
    row('each with a nonce', nonced),
  ];
}
