/** A device of a bench that means ill: bodies of four million chunks of one byte, over one connection after the other. Run by `fork`. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';

const [port, directory = ''] = process.argv.slice(2);
const chunks = 4_000_000;
const perWrite = 10_000;
const file = (name: string) => readFileSync(join(directory, name));
const identity = { key: file('key.pem'), cert: file('cert.pem'), ca: file('root.pem') };
const piece = Buffer.from('1\r\nx\r\n'.repeat(perWrite));
const head =
  'POST /v1/streams/telemetry/readings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n';

for (;;) {
  const socket = connect({ host: 'localhost', port: Number(port), ...identity, minVersion: 'TLSv1.3' });
  const over = new AbortController();
  socket.on('error', () => undefined).on('close', () => over.abort());
  // Who reads no answer goes on until the connection is ended.
  socket.write(head);
  for (let sent = 0; sent < chunks && !socket.destroyed; sent += perWrite) {
    if (!socket.write(piece)) await once(socket, 'drain', { signal: over.signal }).catch(() => undefined);
  }
  if (!socket.destroyed) await once(socket, 'close', { signal: over.signal }).catch(() => undefined);
}
