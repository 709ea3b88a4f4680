/**
 * `npm run conformance -- NAME…`: the parts of the suite that need more of a machine than `npm test` does (an older Node,
 * Python, systemd, network namespaces, minutes), each a file of test/conformance or a folder of stories, one after another, with the time that each took. Without a name: all. `--two`: two at a time, for most wait more than they compute.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const parts: Record<string, string> = {
  pack: 'each package, packed and installed in an empty folder; the device on Node 22, without a network',
  devices: 'the devices of examples/, against a real house and against servers that lie',
  est: 'EST by a device of shell alone, strongSwan, curl and openssl, at a real desk; and what comes there that is none',
  gateways: 'what devices seal, through a gateway that is honest and one that lies in each way there is',
  'public-answers':
    'what checks a public answer in a few lines of shell, JavaScript and Python, on answers of a real desk',
  browser: 'what phones are shown, in a real browser (Debian: chromium)',
  network: 'docs/operating/network.md, on three machines made of network namespaces',
  lists:
    'what openssl, GnuTLS, NSS, strongSwan, nginx, HAProxy, curl, Node and Java make of the lists of revoked certificates that a desk gives, and of its answers by OCSP',
  'post-quantum':
    'a fleet of ML-DSA from its first day, with devices of other keys in it; and what openssl, curl, GnuTLS, Python, mosquitto_pub, nginx, HAProxy and three versions of Node make of it',
  rollover:
    'an issuer, then the root, of a real fleet are followed by others, with a device that sleeps through it and one that never wakes',
  containers: 'Containerfile and compose file, as far as that goes without an engine',
  operating: 'the other pages of docs/operating, from their first line to their last',
  tpm: 'docs/start-tpm.md with a software TPM: a device whose key is there, and what it does while that is away',
  keys: 'docs/operating/keys.md with Debian’s SoftHSM2 as the token, and what it says when that goes away',
  proxies: 'Debian’s nginx and HAProxy, which ask a gate, as docs/operating/behind-a-proxy.md configures them',
  'slow-link': 'a device behind a link of 2 KB/s that stands still and breaks',
  mqtt: 'Debian’s mosquitto_pub, mosquitto_sub and Mosquitto as a bridge, and mqtt.js, at a real gate: what they do with each answer',
  'business-stories':
    'labels that are scanned, a rule on what two gates heard, signals that hold and let go, desks, alerts, a wrong clock: the stories that take longest',
  faults:
    'what a gate, the authority, a network and their clocks can do to a cut: real processes, and faults one at a time',
  monitoring:
    'the way of an alert from Debian’s Prometheus and Alertmanager to a cut, and what they say when they lose sight of a device',
  stories: 'npm run demo, each of its stories to the end',
  alertmanager: 'what a house tells Debian’s Alertmanager of itself, and for how long',
  torture: 'real processes and faults at random, for some seconds, and the fault that they must find',
  checkpoint: 'the page of checkpoints in chromium: a label before its camera, no network, a cut',
  postgres: 'the store on Debian’s PostgreSQL: what every store promises, and what is lost when a connection is',
  services: 'the systemd units, and the accounts that they run in',
};

/** Whose tests are no file of test/conformance, but many: two at a time, for they wait more than they compute. */
const elsewhere: Record<string, string> = {
  'business-stories': 'packages/server/test/stories/{alerts,desk,labels,roaming,signals,wrong-clock}/*.test.ts',
  faults: 'packages/server/test/stories/faults/*.test.ts',
};

const words = process.argv.slice(2);
const two = words.includes('--two');
const asked = words.filter((word) => word !== '--two');
const unknown = asked.find((name) => !(name in parts));
if (unknown !== undefined) {
  process.stderr.write(`there is no part "${unknown}"; it must be one of [${Object.keys(parts).join(', ')}]\n`);
  process.exit(2);
}

const left = asked.length > 0 ? asked : Object.keys(parts);
const failed: string[] = [];

/** What two say at once is told part by part. */
async function run(name: string): Promise<void> {
  const started = performance.now();
  const files = elsewhere[name] ? ['--test-concurrency=2', elsewhere[name]] : [`test/conformance/${name}.ts`];
  const own = spawn(process.execPath, ['--conditions=portcullis-source', '--test', ...files], {
    cwd: root,
    stdio: two ? ['ignore', 'pipe', 'pipe'] : 'inherit',
  });
  const said: Buffer[] = [];
  for (const stream of [own.stdout, own.stderr]) stream?.on('data', (chunk: Buffer) => said.push(chunk));
  if (!two) process.stdout.write(`conformance ${name}: ${parts[name]}\n`);
  const [status] = (await once(own, 'close')) as [number | null];
  if (two) process.stdout.write(`conformance ${name}: ${parts[name]}\n${Buffer.concat(said)}`);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`conformance ${name}: ${status === 0 ? 'passed' : 'FAILED'} after ${seconds} s\n`);
  if (status !== 0) failed.push(name);
}

async function lane(): Promise<void> {
  for (let name = left.shift(); name !== undefined; name = left.shift()) await run(name);
}

await Promise.all(two ? [lane(), lane()] : [lane()]);
if (failed.length > 0) process.stderr.write(`failed: ${failed.join(', ')}\n`);
process.exitCode = failed.length > 0 ? 1 : 0;
