/** Who asks in a bench about certificates: connections that stay, or a new one for each question, as fast as they are answered. Run by `fork`. */
import { connect } from 'node:net';

export interface Job {
  port: number;
  milliseconds: number;
  /** Whole requests, asked in turn from the first one on; in base64. */
  requests: string[];
  connections: number;
  /** Of the loopback network, one for each connection: what is bounded is bounded for each address. */
  addresses: boolean;
  /** The server ends each connection after its answer. */
  once: boolean;
}
export interface Done {
  answered: number;
  /** Without a signature, or not at all. */
  failed: number;
  milliseconds: number;
  /** Of the last answer. */
  bytes: number;
}

/** A refusal by OCSP has five bytes. */
const leastBytes = 100;
const firstAddress = 16;

function run({ port, milliseconds, requests, connections, addresses, once }: Job): Promise<Done> {
  const done: Done = { answered: 0, failed: 0, milliseconds: 0, bytes: 0 };
  const asked = requests.map((request) => Buffer.from(request, 'base64'));
  const started = performance.now();
  const isOver = () => performance.now() - started >= milliseconds;
  let next = 0;
  const ask = () => asked[next++ % asked.length] as Buffer;
  const count = (text: string, bytes: number) => {
    if (/^HTTP\/1\.[01] 200/.test(text) && bytes >= leastBytes) done.answered++;
    else done.failed++;
    done.bytes = bytes;
  };
  const line = (index: number, finished: () => void) => {
    const localAddress = addresses ? `127.0.0.${firstAddress + index}` : '127.0.0.1';
    const socket = connect({ host: '127.0.0.1', port, localAddress }, () => socket.write(ask()));
    let [text, wanted] = ['', -1];
    socket.setNoDelay(true).setEncoding('latin1');
    socket.on('data', (piece: string) => {
      text += piece;
      const head = text.indexOf('\r\n\r\n') + 4;
      if (wanted < 0 && head >= 4)
        wanted = head + Number(/content-length: *(\d+)/i.exec(text.slice(0, head))?.[1] ?? 0);
      if (wanted < 0 || text.length < wanted) return;
      count(text, wanted - head);
      [text, wanted] = ['', -1];
      if (once || isOver()) socket.destroy();
      else socket.write(ask());
    });
    socket.on('error', () => done.failed++);
    socket.on('close', () => (once && !isOver() ? line(index, finished) : finished()));
  };
  return new Promise((resolve) => {
    let open = connections;
    const finished = () => {
      if (--open === 0) resolve({ ...done, milliseconds: performance.now() - started });
    };
    for (let index = 0; index < connections; index++) line(index, finished);
  });
}

process.on('message', (job: Job) => {
  void run(job).then((done) => process.send?.(done));
});
