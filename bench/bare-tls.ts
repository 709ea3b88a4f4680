/** The peer of a gate's handshakes: bare `node:tls` with the same demands, which answers what comes first with 204 and looks at nothing. */
import { constants } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createServer } from 'node:tls';

const [pem = '', key = '', certificate = ''] = process.argv.slice(2);

const server = createServer(
  {
    key: readFileSync(key),
    cert: readFileSync(certificate),
    ca: readFileSync(join(pem, 'trust.pem')),
    requestCert: true,
    minVersion: 'TLSv1.3',
    secureOptions: constants.SSL_OP_NO_TICKET,
    noDelay: true,
  },
  (socket) => {
    socket.on('error', () => socket.destroy());
    socket.on('data', () => socket.write('HTTP/1.1 204 No Content\r\n\r\n'));
  },
);
server.listen({ host: '127.0.0.1', port: 0, backlog: 4_096 }, () => process.send?.(server.address()));
process.on('disconnect', () => process.exit());
