/**
 * docs/operating/signals.md with Debian's real Prometheus and Alertmanager: what fires cuts, and nothing that they say when they lose sight of a
 * device lifts it (FINDINGS A3, A4).
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { HoldView } from '@portcullis/contract';
import { freeBasePort, succeeded } from '../../tools/commands.ts';
import { asNewcomer, blocksOf, type Newcomer } from '../newcomer.ts';
import { patienceMs } from '../patience.ts';
import { textOf } from '../tree.ts';
import { skippedWithout } from './house.ts';

const page = 'docs/operating/signals.md';
const isThere = (program: string) => spawnSync(program, ['--version']).status === 0;
const skip = skippedWithout(
  isThere('prometheus') && isThere('prometheus-alertmanager'),
  'prometheus, prometheus-alertmanager',
);

/** What a device's exporter says: a number, `NaN`, or nothing of it. */
class Exporter {
  value: string | undefined = '5';
  #server: Server | undefined;
  port = 0;

  async start(): Promise<void> {
    const metric = () => (this.value === undefined ? '' : `temperature_celsius{device="sensor-7"} ${this.value}\n`);
    const server = createServer((_request, answer) => answer.setHeader('content-type', 'text/plain').end(metric()));
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve));
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve));
  }
}

const exporter = new Exporter();
before(() => exporter.start());
after(() => exporter.stop());

function prometheusYml(alertmanager: number): string {
  return `global: { scrape_interval: 1s, evaluation_interval: 1s }
scrape_configs: [{ job_name: devices, static_configs: [{ targets: ["127.0.0.1:${exporter.port}"] }] }]
alerting: { alertmanagers: [{ static_configs: [{ targets: ["127.0.0.1:${alertmanager}"] }] }] }
rule_files: [rules.yml]
`;
}

const rulesYml = `groups:
  - name: cold
    rules: [{ alert: TooWarm, expr: temperature_celsius > 8, labels: { severity: critical } }]
`;

class Monitoring {
  readonly #newcomer: Newcomer;
  readonly fleet: string;
  readonly #ports: { alertmanager: number; prometheus: number };

  constructor(newcomer: Newcomer, base: number) {
    this.#newcomer = newcomer;
    this.fleet = newcomer.path('fleet');
    this.#ports = { alertmanager: base, prometheus: base + 1 };
  }

  /** As the page has it; its address is that of this fleet. */
  async alertmanager(): Promise<void> {
    const [, yaml = ''] = /```yaml\n(route:\n[\s\S]*?)```/.exec(textOf(page)) ?? [];
    let port = '';
    this.#newcomer.write('fleet/fleet.yaml', (text) => {
      port = /apiPort: (\d+)/.exec(text)?.[1] ?? '';
      return text;
    });
    this.#newcomer.write('alertmanager.yml', () => yaml.replace('localhost:8440', `localhost:${port}`));
    const where = `--storage.path=am --cluster.listen-address= --web.listen-address=127.0.0.1:${this.#ports.alertmanager}`;
    const words = `prometheus-alertmanager --config.file=alertmanager.yml ${where} 2>&1`;
    await this.#newcomer.starts(words, /msg="?Listening/, 1);
  }

  async prometheus(): Promise<void> {
    this.#newcomer.write('prometheus.yml', () => prometheusYml(this.#ports.alertmanager));
    this.#newcomer.write('rules.yml', () => rulesYml);
    await this.#newcomer.starts(this.#prometheusWords, /Server is ready/, 1);
  }

  get #prometheusWords(): string {
    const where = `--storage.tsdb.path=tsdb --web.listen-address=127.0.0.1:${this.#ports.prometheus}`;
    return `prometheus --config.file=prometheus.yml --rules.alert.resend-delay=1s ${where} 2>&1`;
  }

  signalPrometheus(signal: NodeJS.Signals): void {
    this.#newcomer.signal(this.#prometheusWords, signal);
  }

  async status(): Promise<string> {
    return JSON.parse(
      await succeeded('portcullis', 'attribute', 'get', 'sensor-7', 'status', '--json', '--fleet', this.fleet),
    ).value;
  }

  async holds(subject = 'sensor-7'): Promise<HoldView[]> {
    const out = await succeeded('portcullis', 'signal', 'list', subject, '--json', '--fleet', this.fleet);
    return out === '' ? [] : out.split('\n').map((line) => JSON.parse(line) as HoldView);
  }

  /** Until the alert that holds it is so, as the authority knows it. */
  async until(state: HoldView['alert']['state']): Promise<void> {
    for (const end = performance.now() + patienceMs; performance.now() < end; await pause(100)) {
      if ((await this.holds()).some(({ alert }) => alert.state === state)) return;
    }
    assert.fail(`not ${state}: ${JSON.stringify(await this.holds())}`);
  }
}

/** What Alertmanager tells as "resolved", with nobody having measured that the device is well; and how it comes back. */
const lost: [
  what: string,
  lose: (all: Monitoring) => void | Promise<void>,
  mend: (all: Monitoring) => void | Promise<void>,
][] = [
  ['the exporter is stopped', () => exporter.stop(), () => exporter.start()],
  ['the series is dropped', () => setMetric(undefined), () => setMetric('9')],
  ['the value is NaN', () => setMetric('NaN'), () => setMetric('9')],
  ['Prometheus stands still', (all) => all.signalPrometheus('SIGSTOP'), (all) => all.signalPrometheus('SIGCONT')],
  ['Prometheus is killed', (all) => all.signalPrometheus('SIGKILL'), (all) => all.prometheus()],
  ['the value is well', () => setMetric('5'), () => setMetric('9')],
];

function setMetric(value: string | undefined): void {
  exporter.value = value;
}

test(
  `${page} works as it stands; what fires cuts, and no "resolved" lifts it: not of an exporter that stopped, a series that is gone, a Prometheus that died`,
  { skip, timeout: 10 * patienceMs },
  () =>
    asNewcomer(async (newcomer) => {
      await newcomer.follow(blocksOf(page));
      const all = new Monitoring(newcomer, await freeBasePort());
      assert.deepEqual((await all.holds('sensor-8')).map(({ source }) => source).toSorted(), ['door', 'probe']);
      await all.alertmanager();
      await all.prometheus();
      assert.equal(await all.status(), 'active');
      setMetric('9');
      await all.until('firing');
      assert.equal(await all.status(), 'quarantined');
      for (const [what, lose, mend] of lost) {
        await lose(all);
        await all.until('claimed_resolved');
        assert.equal(await all.status(), 'quarantined', what);
        await mend(all);
        await all.until('firing');
        assert.equal(await all.status(), 'quarantined', what);
      }
      setMetric('5');
      await all.until('claimed_resolved');
      await succeeded('portcullis', 'signal', 'release', 'sensor-7', '--reason', 'looked at', '--fleet', all.fleet);
      assert.equal(await all.status(), 'active');
      await authorityAway(newcomer, all);
    }),
);

/** What Alertmanager could not tell it tells again, once somebody listens. */
async function authorityAway(newcomer: Newcomer, all: Monitoring): Promise<void> {
  const up = { how: 'background', text: 'portcullis up fleet' };
  await newcomer.run({ how: 'stops', text: '"portcullis up fleet"' });
  setMetric('9');
  // So that there was at least one try: a scrape, an evaluation and a flush.
  await pause(5_000);
  await newcomer.run(up);
  await all.until('firing');
  assert.equal(await all.status(), 'quarantined');
}
