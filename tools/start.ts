/** `npm start`: a house to look at in ./trial, beside the one that the tour makes: authority, gate and desk, and this machine as a device. */
import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { Running, succeeded } from './commands.ts';

const fleet = 'trial/fleet';
const device = 'trial/device';
/** Apart from those of the tour, and of its second gate. */
const usualBasePort = '8460';
const { values } = parseArgs({ options: { 'base-port': { type: 'string', default: usualBasePort } } });

const subject = `${hostname()
  .toLowerCase()
  .replace(/[^a-z0-9._-]/g, '-')
  .replace(/^[^a-z0-9]+/, '')
  .slice(0, 63)}`;
const name = subject === '' ? 'this-machine' : subject;

async function makeFleet(): Promise<void> {
  if (existsSync(`${fleet}/fleet.yaml`)) return;
  if (existsSync(device)) throw new Error(`${device} is a device of another fleet; remove it, or bring ${fleet} back`);
  const made = await succeeded('portcullis', 'init', fleet, '--base-port', values['base-port'], '--json');
  const { fleet: name, rootKey } = JSON.parse(made) as { fleet: string; rootKey: string };
  say(`made ${name} in ${fleet}; ${rootKey} is its root key, which a fleet that is more than a trial keeps offline`);
}

async function enrolThisMachine(): Promise<void> {
  if (existsSync(`${device}/credential.json`)) return;
  const token = await succeeded('portcullis', 'token', 'create', name, '--fleet', fleet);
  await succeeded('portcullis-device', 'enrol', token, '--device', device);
}

function say(words: string): void {
  process.stdout.write(`${words}\n`);
}

const house: Running[] = [];

async function main(): Promise<void> {
  await makeFleet();
  const up = new Running('portcullis', 'up', fleet);
  house.push(up);
  await Promise.all(['authority', 'gate', 'desk'].map((role) => up.line(new RegExp(`^${role} listening`))));
  await enrolThisMachine();
  const sending = new Running('portcullis-device', 'run', '--metrics', '--device', device);
  const watching = new Running('portcullis', 'watch', '--fleet', fleet);
  house.push(sending, watching);
  say(`
This machine is the device "${name}". It sends its load, memory and disk each second over mTLS, and the gate judges
each reading. Try in another terminal:

  npx portcullis attribute set ${name} status=off --wait --reason "just trying" --fleet ${fleet}
  npx portcullis explain ${name} --fleet ${fleet}
  npx portcullis attribute set ${name} status=active --wait --fleet ${fleet}

Ctrl-C stops all of it. Verdicts as they happen:
`);
  for (const running of house) running.onLine((line) => say(line));
  await ended(up);
}

/** Nothing is to be seen any more when the house itself is gone. */
async function ended(up: Running): Promise<void> {
  await new Promise((resolve) => up.process.once('exit', resolve));
  throw new Error('authority, gate and desk have ended');
}

/** The device first, then who watches, then the house itself. */
async function stop(status: number): Promise<void> {
  for (const running of house.toReversed()) await running.stop();
  process.exit(status);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stop(0));
main().catch(async (error: Error) => {
  process.stderr.write(`${error.message}\n`);
  await stop(1);
});
