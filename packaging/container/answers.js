// Whether a server of the fleet answers: node answers.js URL ROOT. Exit status 0 once a handshake ended that ROOT vouches for.
import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';

const [url, root] = process.argv.slice(2);
const { hostname: host, port } = new URL(url);

function end(status, words) {
  if (words) process.stderr.write(`${url}: ${words}\n`);
  process.exit(status);
}

const socket = connect({ host, port: Number(port), servername: host, ca: readFileSync(root), minVersion: 'TLSv1.3' });
socket.setTimeout(5_000, () => end(1, 'no answer'));
socket.on('error', (error) => end(1, error.message));
socket.on('secureConnect', () => end(0));
