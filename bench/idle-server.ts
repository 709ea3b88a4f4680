/** The peers of the gate while nothing is sent: bare `node:tls` or `node:https` with mTLS, which answers each request and keeps nothing. */
import { constants } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer as createHttps } from 'node:https';
import { join } from 'node:path';
import { createServer, type TLSSocket } from 'node:tls';

const answer = 'HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}';
const [pem = '', key = '', certificate = '', what = ''] = process.argv.slice(2);
const options = {
  key: readFileSync(key),
  cert: readFileSync(certificate),
  ca: readFileSync(join(pem, 'trust.pem')),
  requestCert: true,
  minVersion: 'TLSv1.3',
  secureOptions: constants.SSL_OP_NO_TICKET,
} as const;

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
