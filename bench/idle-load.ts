/** Connections that each send one reading and then nothing, in a process of its own; told by messages how many there are to be. Run by `fork`. */
import { readFileSync } from 'node:fs';
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';

export interface Wanted {
  port: number;
  pem: string;
  /** Those beyond are closed. */
  connections: number;
  prefix: string;
}
export interface Held {
  open: number;
  /** Ended by the server since the last time. */
  lost: number;
}

const path = '/v1/streams/telemetry/readings';
const atOnce = 16;
/** As many addresses as a fleet has sites. */
const addresses = 100;

const open: TLSSocket[] = [];
let [number, lost] = [0, 0];
let identity: SecureContext | undefined;

function identityOf(pem: string): SecureContext {
  const file = (name: string) => readFileSync(`${pem}/${name}`);
  return createSecureContext({ key: file('key.pem'), cert: file('cert.pem'), ca: file('root.pem') });
}

function opened({ port, pem, prefix }: Wanted): Promise<TLSSocket> {
  identity ??= identityOf(pem);
  const secureContext = identity;
  const localAddress = `127.0.2.${1 + (number % addresses)}`;
  const body = `{"_id":"${prefix}-${number++}","temperature":21.5,"humidity":40}`;
  const head = `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
  return new Promise((resolve, reject) => {
    const to = { host: '127.0.0.1', servername: 'localhost', port, localAddress, minVersion: 'TLSv1.3' as const };
    const socket = connect({ ...to, secureContext }, () => socket.write(head + body));
    const early = () => reject(new Error('the connection ended before its answer'));
    let text = '';
    socket.on('error', reject).once('close', early);
    socket.on('data', (piece: Buffer) => {
      text += piece.toString('latin1');
      if (!text.endsWith('}')) return;
      if (!text.startsWith('HTTP/1.1 202')) return reject(new Error(text.slice(0, 200)));
      socket.removeAllListeners('data').removeAllListeners('error').off('close', early);
      socket.on('error', () => undefined).once('close', () => leave(socket));
      resolve(socket);
    });
  });
}

function leave(socket: TLSSocket): void {
  const index = open.indexOf(socket);
  if (index === -1) return;
  open.splice(index, 1);
  lost++;
}

async function hold(wanted: Wanted): Promise<Held> {
  const ended = open.splice(wanted.connections).map((socket) => {
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.destroy();
    return closed;
  });
  await Promise.all(ended);
  let left = wanted.connections - open.length;
  const next = async () => {
    while (left-- > 0) open.push(await opened(wanted));
  };
  await Promise.all(Array.from({ length: atOnce }, next));
  const held = { open: open.length, lost };
  lost = 0;
  return held;
}

process.on('message', async (wanted: Wanted) => {
  process.send?.(await hold(wanted));
});
process.on('disconnect', () => process.exit());
