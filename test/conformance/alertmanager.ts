/** What a real house tells Debian's Alertmanager: an alert is there while it lasts, whoever ends in between, and no longer (FINDINGS A+, A9). */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { eventually, House } from '../../packages/server/test/house.ts';
import { freeBasePort } from '../../tools/commands.ts';
import { skippedWithout } from './house.ts';

const program = 'prometheus-alertmanager';
const skip = skippedWithout(spawnSync(program, ['--version']).status === 0, program);
/** How often it is told; what it is told holds three times as long. */
const intervalMs = 2_000;

interface Shown {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  startsAt: string;
  endsAt: string;
}

class Alertmanager {
  readonly #home: string;
  readonly #port: number;
  #child: ChildProcess | undefined;

  constructor(home: string, port: number) {
    this.#home = home;
    this.#port = port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    const file = join(this.#home, 'alertmanager.yml');
    writeFileSync(file, 'route: { receiver: nobody }\nreceivers: [{ name: nobody }]\n');
    const where = [`--storage.path=${join(this.#home, 'am')}`, `--web.listen-address=127.0.0.1:${this.#port}`];
    const words = [`--config.file=${file}`, '--cluster.listen-address=', ...where];
    this.#child = spawn(program, words, { stdio: 'ignore' });
    await eventually(async () => (await this.shown()) !== undefined, 'Alertmanager answers');
  }

  async kill(): Promise<void> {
    if (!this.#child || this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }

  /** What is firing now. */
  async shown(kind?: string): Promise<Shown[] | undefined> {
    const answer = await fetch(`${this.url}/api/v2/alerts`, { signal: AbortSignal.timeout(5_000) }).catch(
      () => undefined,
    );
    const alerts = answer?.ok ? ((await answer.json()) as Shown[]) : undefined;
    return alerts?.filter(({ labels }) => kind === undefined || labels.alertname === `portcullis_${kind}`);
  }

  async has(kind: string, count: number): Promise<void> {
    await eventually(async () => (await this.shown(kind))?.length === count, `${count} of ${kind}`);
  }
}

let house: House;
let alertmanager: Alertmanager;
before(async () => {
  if (skip) return;
  house = await House.open(async (made) => {
    alertmanager = new Alertmanager(made.home, await freeBasePort());
    const { leaseMs, patienceMs } = made.lease(1_000);
    const target = `alertmanager: "${alertmanager.url}", allowPrivate: true, repeatInterval: ${intervalMs / 1_000}s`;
    const section = `alerts:\n  targets:\n    am: { ${target} }\nleaseMs: ${leaseMs}\npatienceMs: ${patienceMs}\n`;
    made.configure('fleet.yaml', (text) => text + section);
  });
  await alertmanager.start();
});
after(async () => {
  if (skip) return;
  await house.close();
  await alertmanager.kill();
});

test('a gate that is killed is firing there, with the labels that routes choose by', { skip }, async () => {
  await house.gate?.kill();
  await alertmanager.has('lease_lost', 1);
  const [alert] = (await alertmanager.shown('lease_lost')) as [Shown];
  const { fleet, severity, subject } = alert.labels;
  assert.deepEqual([severity, subject], ['critical', 'gate-1']);
  assert.ok(fleet !== undefined && alert.annotations.summary?.includes('gate-1'));
  assert.ok(Date.parse(alert.startsAt) < Date.parse(alert.endsAt));
});

test('it goes on firing for longer than one word holds, and begins when it began', { skip }, async () => {
  const [first] = (await alertmanager.shown('lease_lost')) as [Shown];
  await eventually(async () => {
    const [now] = (await alertmanager.shown('lease_lost')) ?? [];
    assert.ok(now, 'it is there all the time');
    return Date.parse(now.endsAt) > Date.parse(first.endsAt) + 3 * intervalMs;
  }, 'its end moves on');
  const [last] = (await alertmanager.shown('lease_lost')) as [Shown];
  assert.equal(last.startsAt, first.startsAt);
});

test('an Alertmanager that was killed and has forgotten it knows it again', { skip }, async () => {
  await alertmanager.kill();
  await alertmanager.start();
  await alertmanager.has('lease_lost', 1);
});

test('without the authority it ends there, and with it it is there again', { skip }, async () => {
  await house.authority?.kill();
  await alertmanager.has('lease_lost', 0);
  await house.startAuthority();
  await alertmanager.has('lease_lost', 1);
});

test('once the gate is there again it is over there at once', { skip }, async () => {
  await house.startGate();
  await alertmanager.has('lease_lost', 0);
});
