/**
 * `npm run conformance -- NAME…`: the parts of the suite that need more of a machine than `npm test` does (an older Node,
 * Python, systemd, network namespaces, minutes), each a file of test/conformance or a folder of stories, one after another, with the time
 * that each took. Without a name: all. `--lanes N`: so many at a time, for most wait more than they compute; those that hold processes to
 * their clocks come last, and have the machine to themselves. What failed beside others is run once more by itself, and told either way.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { testOptions } from './commands.ts';

const root = join(import.meta.dirname, '..');
/** Those that take longest come first: several at a time end together. */
const parts: Record<string, string> = {
  rollover:
    'an issuer, then the root, of a real fleet are followed by others, with a device that sleeps through it and one that never wakes; and the same in minutes, with certificates that live no longer',
  operating: 'the other pages of docs/operating, from their first line to their last',
  postgres: 'the store on Debian’s PostgreSQL: what every store promises, and what is lost when a connection is',
  'postgres-sink': 'readings in Debian’s PostgreSQL: what every sink promises, and several gates at one database',
  jetstream:
    'readings in Debian’s nats-server: what every sink promises, several gates at one stream, TLS and credentials, and a server that is killed',
  spool:
    'readings that wait on the gate’s disk while PostgreSQL or nats-server is away: what every sink promises, and what is acknowledged meanwhile',
  failover: 'a primary of PostgreSQL that is replaced: what an authority leads then, and what it refuses to',
  'business-stories':
    'labels that are scanned, a rule on what two gates heard, signals that hold and let go, desks, alerts, a wrong clock, eleven years: the stories that take longest',
  processes:
    'commands, starts and stops, moves and upgrades, a full disk, strangers, a simulated fleet: the stories of whole processes that take long',
  pack: 'each package, packed and installed in an empty folder; the device on Node 22, without a network',
  faults:
    'what a gate, the authority, a network and their clocks can do to a cut: real processes, and faults one at a time',
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
  containers: 'Containerfile and compose file, as far as that goes without an engine',
  tpm: 'docs/start-tpm.md with a software TPM: a device whose key is there, and what it does while that is away',
  keys: 'docs/operating/keys.md with Debian’s SoftHSM2 as the token, and what it says when that goes away',
  proxies: 'Debian’s nginx and HAProxy, which ask a gate, as docs/operating/behind-a-proxy.md configures them',
  'slow-link': 'a device behind a link of 2 KB/s that stands still and breaks',
  mqtt: 'Debian’s mosquitto_pub, mosquitto_sub and Mosquitto as a bridge, and mqtt.js, at a real gate: what they do with each answer',
  monitoring:
    'the way of an alert from Debian’s Prometheus and Alertmanager to a cut, and what they say when they lose sight of a device',
  workers: 'one gate as several processes that are killed, stand still, stop and are asked, with a sink in PostgreSQL',
  stories: 'npm run demo, each of its stories to the end',
  alertmanager: 'what a house tells Debian’s Alertmanager of itself, and for how long',
  torture:
    'real processes and faults at random, for some seconds, and the fault that they must find; and the same with two authorities at PostgreSQL',
  soak: 'memory of a gate and an authority while connections come and go, for half a minute; and a leak that must be found',
  checkpoint: 'the page of checkpoints in chromium: a label before its camera, no network, a cut',
  services: 'the systemd units, and the accounts that they run in',
};

/** Whose tests are many files: two at a time, for they wait more than they compute. */
const elsewhere: Record<string, string> = {
  'business-stories': 'packages/server/test/stories/{alerts,desk,labels,own-end,roaming,signals,wrong-clock}/*.test.ts',
  faults: 'packages/server/test/stories/faults/*.test.ts',
  workers: 'packages/server/test/stories/workers/*.test.ts',
  processes:
    'packages/server/test/stories/{every-way,everyone,full-disk,moving,processes,questions,sensors,simulate,strangers,upgrade}/*.test.ts',
  postgres: 'test/conformance/postgres*.ts',
  jetstream: 'test/conformance/jetstream*.ts',
  rollover: 'test/conformance/rollover*.ts',
  spool: 'test/conformance/spool*.ts',
  torture: 'test/conformance/torture*.ts',
};

/** With others beside them they would tell of the machine: leases lapse, and who leads does not get to lead. */
const alone: ReadonlySet<string> = new Set(['faults', 'torture', 'workers']);

/** Where more fail than this it isn't that they were several at a time, and none is run again. */
const againMax = 2;

/** Of which each file wants both processors. */
const oneByOne: ReadonlySet<string> = new Set(['torture']);

const { values, positionals: asked } = parseArgs({
  options: { lanes: { type: 'string', default: '1' } },
  allowPositionals: true,
});
const lanes = Number(values.lanes);
if (!Number.isInteger(lanes) || lanes < 1 || lanes > 8) {
  process.stderr.write(`--lanes ${values.lanes} is not how many; it must be from 1 to 8\n`);
  process.exit(2);
}
const isOne = lanes === 1;
const unknown = asked.find((name) => !(name in parts));
if (unknown !== undefined) {
  process.stderr.write(`there is no part "${unknown}"; it must be one of [${Object.keys(parts).join(', ')}]\n`);
  process.exit(2);
}

const wanted = asked.length > 0 ? asked : Object.keys(parts);
const together = wanted.filter((name) => isOne || !alone.has(name));
/** Those that failed, and what each said of its failures: told again at the end, where it is looked for. */
const failed = new Map<string, string>();

/** What several say at once is told part by part. */
async function run(name: string): Promise<void> {
  const started = performance.now();
  const many = oneByOne.has(name) ? 1 : 2;
  const files = elsewhere[name] ? [`--test-concurrency=${many}`, elsewhere[name]] : [`test/conformance/${name}.ts`];
  const own = spawn(process.execPath, [...testOptions, '--test', ...files], {
    cwd: root,
    stdio: isOne ? 'inherit' : ['ignore', 'pipe', 'pipe'],
  });
  const said: Buffer[] = [];
  for (const stream of [own.stdout, own.stderr]) stream?.on('data', (chunk: Buffer) => said.push(chunk));
  if (isOne) process.stdout.write(`conformance ${name}: ${parts[name]}\n`);
  const [status] = (await once(own, 'close')) as [number | null];
  if (!isOne) process.stdout.write(`conformance ${name}: ${parts[name]}\n${Buffer.concat(said)}`);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`conformance ${name}: ${status === 0 ? 'passed' : 'FAILED'} after ${seconds} s\n`);
  if (status !== 0) failed.set(name, failuresIn(Buffer.concat(said).toString()));
}

/** The runner's own summary of what failed; where it came to none, its last lines. */
function failuresIn(text: string): string {
  const from = text.lastIndexOf('✖ failing tests:');
  return from === -1 ? text.slice(-4096) : text.slice(from);
}

async function lane(left: string[]): Promise<void> {
  for (let name = left.shift(); name !== undefined; name = left.shift()) await run(name);
}

await Promise.all(Array.from({ length: lanes }, () => lane(together)));
const again = isOne || failed.size > againMax ? [] : [...failed];
await lane(wanted.filter((name) => !isOne && alone.has(name)));
for (const [name, text] of again) {
  failed.delete(name);
  await run(name);
  if (!failed.has(name))
    process.stdout.write(`conformance ${name}: passed by itself, FAILED beside others:\n${text}\n`);
}
for (const [name, text] of failed) process.stderr.write(`conformance ${name}:\n${text}\n`);
if (failed.size > 0) process.stderr.write(`failed: ${[...failed.keys()].join(', ')}\n`);
process.exitCode = failed.size > 0 ? 1 : 0;
