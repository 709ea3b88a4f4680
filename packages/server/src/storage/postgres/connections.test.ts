import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { TLSSocket } from 'node:tls';
import { openAuthorities } from '../../../test/openssl-authority.ts';
import { parseAddress } from './address.ts';
import { Connections, raw } from './connections.ts';

/** https://www.postgresql.org/docs/15/protocol-message-formats.html: AuthenticationSASL (10), AuthenticationSASLContinue (11). */
function authentication(kind: number, text: string): Buffer {
  const message = Buffer.alloc(9);
  message.write('R');
  message.writeInt32BE(8 + text.length, 1);
  message.writeInt32BE(kind, 5);
  return Buffer.concat([message, Buffer.from(text, 'latin1')]);
}

/** Answers each message of one client with the next of these. */
const says =
  (...answers: (Buffer | string)[]) =>
  (socket: Socket) => {
    const left = [...answers];
    socket.on('data', () => socket.write(left.shift() ?? ''));
  };

async function asked(context: TestContext, serve: (socket: Socket) => void, more = ''): Promise<unknown> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
    serve(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const address = parseAddress(`postgres://ca@127.0.0.1:${port}/fleet${more}`, (file) => readFileSync(file, 'utf8'));
  const connections = new Connections(address, { connectionsMax: 1, statementMs: 1_000, idleInTransactionMs: 1_000 });
  context.after(async () => {
    await connections.close();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return connections.db.executeQuery(raw('SELECT 1'));
}

test('a server that asks for a password, and none is named: it says where to name it', async (context) => {
  const serve = says(authentication(10, 'SCRAM-SHA-256\0\0'), authentication(11, 'r=1,s=AA==,i=4096'));
  await assert.rejects(asked(context, serve), {
    code: 'store_unavailable',
    message: /it asks for a password, and the address names no passfile=FILE/,
  });
});

test('a server without TLS where it is demanded, and one whose certificate does not hold, can not be used now, as one that is away', async (context) => {
  const { make, file } = openAuthorities((end) => context.after(end));
  for (const name of ['own', 'other']) make(name, ['basicConstraints=critical,CA:TRUE']);
  const named = `?sslrootcert=${encodeURIComponent(file('other.pem'))}`;
  await assert.rejects(asked(context, says('N'), named), {
    code: 'store_unavailable',
    message: /it has no TLS, without which nothing goes over a network .*: switch "ssl" on there/,
  });
  const [key, cert] = [readFileSync(file('own.key')), readFileSync(file('own.pem'))];
  const serve = (socket: Socket) =>
    socket.once('data', () => {
      socket.write('S');
      new TLSSocket(socket, { isServer: true, key, cert }).on('error', () => undefined);
    });
  await assert.rejects(asked(context, serve, named), {
    code: 'store_unavailable',
    message: /its certificate does not hold, by what the system knows or sslrootcert=FILE \(self-signed certificate/,
  });
});
