/** The peer of the gate: a bare `node:https` server with mTLS that parses the same body and commits it the same way, and judges nothing. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { commit, parse } from './bare-commits.ts';

const [pem = '', key = '', certificate = ''] = process.argv.slice(2);

const server = createServer(
  {
    key: readFileSync(key),
    cert: readFileSync(certificate),
    ca: readFileSync(join(pem, 'trust.pem')),
    requestCert: true,
    minVersion: 'TLSv1.3',
  },
  (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const parsed = parse(Buffer.concat(chunks).toString());
      const body = JSON.stringify({ acknowledged: parsed.ids.length, ids: parsed.ids, revision: 1 });
      const answer = () => {
        response.writeHead(202, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
        response.end(body);
      };
      commit(parsed, answer);
    });
  },
);
server.listen({ host: '127.0.0.1', port: 0, backlog: 4_096 }, () => process.send?.(server.address()));
process.on('disconnect', () => process.exit());
