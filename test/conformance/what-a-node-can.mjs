/** What the Node that runs it does with certificates of a fleet: one line of JSON. Plain JavaScript: Node 20 runs it too. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { createSecureContext } from 'node:tls';

const [folder, url, root] = process.argv.slice(2);
const read = (...names) => readFileSync([folder, ...names].join('/'), 'utf8');
const tried = (work) => {
  try {
    return work() !== false;
  } catch {
    return false;
  }
};
const chainOf = (who) =>
  read(who, 'cert.pem')
    .split(/(?=-----BEGIN)/)
    .map((pem) => new X509Certificate(pem));
const loads = (who) => () => createSecureContext({ cert: read(who, 'cert.pem'), key: read(who, 'key.pem') });

function reaches() {
  return new Promise((resolve) => {
    const options = { method: 'POST', ca: readFileSync(root), headers: { 'content-type': 'application/json' } };
    try {
      const pair = { cert: read('own', 'cert.pem'), key: read('own', 'key.pem') };
      const sent = request(url, { ...options, ...pair, agent: false }, (answer) => {
        answer.resume();
        resolve(answer.statusCode === 202);
      });
      sent.on('error', () => resolve(false));
      sent.end('{"t":1}');
    } catch {
      resolve(false);
    }
  });
}

const found = {
  openssl: process.versions.openssl,
  reads: tried(() => chainOf('own')),
  verifies: tried(() => {
    const [leaf, issuer] = chainOf('own');
    return (
      leaf.checkIssued(issuer) && leaf.verify(issuer.publicKey) && createPrivateKey(read('own', 'key.pem')) && true
    );
  }),
  own: tried(loads('own')),
  classical: tried(loads('classical')),
  reaches: await reaches(),
};
process.stdout.write(`${JSON.stringify(found)}\n`);
