/** Peers of the gate's connections: bare `node:tls` or `node:https` with mTLS, which answers what comes and keeps nothing; with `204` bare `node:tls` says that, and no body. */
import { constants } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer as createHttps } from 'node:https';
import { join } from 'node:path';
import { createServer, type TLSSocket } from 'node:tls';

const [pem = '', key = '', certificate = '', what = ''] = process.argv.slice(2);
const options = {
  key: readFileSync(key),
  cert: readFileSync(certificate),
  ca: readFileSync(join(pem, 'trust.pem')),
  requestCert: true,
  minVersion: 'TLSv1.3',
  secureOptions: constants.SSL_OP_NO_TICKET,
  noDelay: true,
} as const;
const answer =
  what === '204' ? 'HTTP/1.1 204 No Content\r\n\r\n' : 'HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}';

function ofTls() {
  return createServer(options, (socket: TLSSocket) => {
    socket.on('error', () => socket.destroy());
    socket.on('data', () => socket.write(answer));
  });
}

function ofHttps() {
  return createHttps({ ...options, keepAliveTimeout: 3_600_000, requestTimeout: 0 }, (request, response) => {
    request.resume().on('end', () => response.writeHead(202, { 'content-length': 2 }).end('{}'));
  });
}

const server = what === 'https' ? ofHttps() : ofTls();
server.listen({ host: '127.0.0.1', port: 0, backlog: 4_096 }, () => process.send?.(server.address()));
process.on('disconnect', () => process.exit());
