/** Phones of a bench: connections that stay, each with one look-up after another, as fast as they are answered. Run by `fork`. */
import { connect } from 'node:tls';

export interface Job {
  port: number;
  ca: string;
  connections: number;
  milliseconds: number;
  /** Asked in turn, from the first one on. */
  paths: string[];
  headers: string;
}
export interface Done {
  answered: number;
  failed: number;
  milliseconds: number;
  /** Of the last answer. */
  bytes: number;
}

function run({ port, ca, connections, milliseconds, paths, headers }: Job): Promise<Done> {
  const done: Done = { answered: 0, failed: 0, milliseconds: 0, bytes: 0 };
  const started = performance.now();
  let next = 0;
  const request = () => `GET ${paths[next++ % paths.length]} HTTP/1.1\r\nhost: localhost\r\n${headers}\r\n`;
  const phone = (finished: () => void) => {
    const socket = connect({ host: 'localhost', port, ca }, () => socket.write(request()));
    let [pieces, wanted, held]: [string, number, number] = ['', -1, 0];
    socket.setEncoding('latin1').on('data', (piece: string) => {
      held += piece.length;
      if (wanted < 0) {
        pieces += piece;
        const end = pieces.indexOf('\r\n\r\n');
        if (end < 0) return;
        const length = /content-length: (\d+)/i.exec(pieces.slice(0, end))?.[1] ?? '0';
        wanted = end + 4 + Number(length);
      }
      if (held < wanted) return;
      if (/^HTTP\/1.1 (200|304)/.test(pieces)) done.answered++;
      else done.failed++;
      [done.bytes, pieces, wanted, held] = [wanted, '', -1, 0];
      if (performance.now() - started >= milliseconds) socket.destroy();
      else socket.write(request());
    });
    socket.on('error', () => done.failed++).on('close', finished);
  };
  return new Promise((resolve) => {
    let open = connections;
    const finished = () => {
      if (--open === 0) resolve({ ...done, milliseconds: performance.now() - started });
    };
    for (let index = 0; index < connections; index++) phone(finished);
  });
}

process.on('message', (job: Job) => {
  void run(job).then((done) => process.send?.(done));
});
