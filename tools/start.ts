/** `npm start`: a fleet in ./fleet, its authority and gate, and this machine as a device that sends its own figures. */
import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { Running, succeeded } from './commands.ts';

const fleet = './fleet';
const device = './device';
const { values } = parseArgs({ options: { 'base-port': { type: 'string', default: '8440' } } });

const subject = `${hostname()
  .toLowerCase()
  .replace(/[^a-z0-9._-]/g, '-')
  .replace(/^[^a-z0-9]+/, '')
  .slice(0, 63)}`;
const name = subject === '' ? 'this-machine' : subject;

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
  if (!existsSync(`${fleet}/fleet.yaml`))
    say(await succeeded('portcullis', 'init', fleet, '--base-port', values['base-port']));
  const up = new Running('portcullis', 'up', fleet);
  house.push(up);
  await Promise.all([up.line(/^authority listening/), up.line(/^gate listening/)]);
  await enrolThisMachine();
  const sending = new Running('portcullis-device', 'run', '--metrics', '--device', device);
  const watching = new Running('portcullis', 'watch', '--fleet', fleet);
  house.push(sending, watching);
  say(`
This machine is the device "${name}". It sends its load, memory and disk each second over mTLS, and the gate judges
each reading. Try in another terminal:

  npx portcullis attribute set ${name} status=off --wait --reason "just trying"
  npx portcullis explain ${name}
  npx portcullis attribute set ${name} status=active --wait

Ctrl-C stops all of it. Verdicts as they happen:
`);
  for (const running of house) running.onLine((line) => say(line));
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
