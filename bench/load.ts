/** A client process of a bench: mTLS connections that send prepared HTTP/1.1 requests and count the answers. Run by `fork`. */
import { readFileSync } from 'node:fs';
import { connect, type TLSSocket } from 'node:tls';

export interface Job {
  /** What sends, where it is not `load.ts`. */
  program?: string;
  port: number;
  path: string;
  pem: string;
  connections: number;
  /** A connection for each request, instead of kept-alive ones. */
  fresh: boolean;
  /** Readings in each request: more than one is NDJSON. */
  readings: number;
  milliseconds: number;
  /** Makes ids unlike those of other runs. */
  prefix: string;
}
export interface Done {
  requests: number;
  failures: number;
  milliseconds: number;
}

const [host, minVersion] = ['localhost', 'TLSv1.3'] as const;
/** The one that every peer knows, whatever its OpenSSL. */
const ecdhCurve = 'X25519';

function run(job: Job): Promise<Done> {
  const file = (name: string) => readFileSync(`${job.pem}/${name}`);
  const identity = { key: file('key.pem'), cert: file('cert.pem'), ca: file('root.pem'), ecdhCurve };
  const done: Done = { requests: 0, failures: 0, milliseconds: 0 };
  const started = performance.now();
  const over = () => performance.now() - started >= job.milliseconds;
  let number = 0;

  function request(): string {
    const lines: string[] = [];
    for (let index = 0; index < job.readings; index++)
      lines.push(`{"_id":"${job.prefix}-${number++}","temperature":21.5,"humidity":40}`);
    const body = lines.join('\n');
    const type = job.readings > 1 ? 'application/x-ndjson' : 'application/json';
    return `POST ${job.path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${type}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  }

  function client(finished: () => void): void {
    const socket: TLSSocket = connect({ host, servername: host, port: job.port, ...identity, minVersion });
    let answer = '';
    socket.on('secureConnect', () => socket.write(request()));
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      answer += chunk;
      if (!isWhole(answer)) return;
      if (answer.startsWith('HTTP/1.1 20')) done.requests++;
      else done.failures++;
      answer = '';
      if (over() || job.fresh) socket.destroy();
      else socket.write(request());
    });
    socket.on('error', () => {
      done.failures++;
    });
    socket.on('close', () => (over() ? finished() : client(finished)));
  }

  return new Promise((resolve) => {
    let open = job.connections;
    const finished = () => {
      if (--open === 0) resolve({ ...done, milliseconds: performance.now() - started });
    };
    for (let index = 0; index < job.connections; index++) client(finished);
  });
}

function isWhole(answer: string): boolean {
  const end = answer.indexOf('\r\n\r\n');
  if (end === -1) return false;
  const length = /content-length: (\d+)/i.exec(answer.slice(0, end))?.[1] ?? '0';
  return answer.length >= end + 4 + Number(length);
}

process.on('message', (job: Job) => {
  void run(job).then((done) => process.send?.(done));
});
