/** Debian's Prometheus and Alertmanager on free ports of this machine, and the exporter of one device that they look at. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { patienceMs } from '../../test/patience.ts';

export const isThere = (program: string): boolean => spawnSync(program, ['--version']).status === 0;

/** What a device's exporter says: a temperature, of one device. */
export class Exporter {
  readonly #device: string;
  #server: Server | undefined;
  celsius = 5;
  port = 0;

  constructor(device: string) {
    this.#device = device;
  }

  async start(): Promise<void> {
    const metric = () => `temperature_celsius{device="${this.#device}"} ${this.celsius}\n`;
    const server = createServer((_request, answer) => answer.setHeader('content-type', 'text/plain').end(metric()));
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve));
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => (this.#server ? this.#server.close(resolve) : resolve(undefined)));
  }
}

interface Wanted {
  /** Where their files are. */
  directory: string;
  /** Two ports that are free. */
  base: number;
  exporterPort: number;
  /** Where signals go, and the folder of the certificate that they are sent with. */
  url: string;
  pem: string;
  above: number;
}

/** Both, each ready. They look, judge and send each second. */
export async function startMonitoring(wanted: Wanted): Promise<{ stop(): Promise<void> }> {
  const { directory, base } = wanted;
  const [alertmanager, prometheus] = [`127.0.0.1:${base}`, `127.0.0.1:${base + 1}`];
  const write = (name: string, text: string) => writeFileSync(`${directory}/${name}`, text);
  write('alertmanager.yml', alertmanagerYml(wanted));
  write('prometheus.yml', prometheusYml(wanted.exporterPort, alertmanager));
  write('rules.yml', rulesYml(wanted.above));
  const started = [
    await ready('prometheus-alertmanager', directory, /msg="?Listening/, [
      ...['--config.file=alertmanager.yml', '--storage.path=am', '--cluster.listen-address='],
      `--web.listen-address=${alertmanager}`,
    ]),
    await ready('prometheus', directory, /Server is ready/, [
      ...['--config.file=prometheus.yml', '--storage.tsdb.path=tsdb', '--rules.alert.resend-delay=1s'],
      `--web.listen-address=${prometheus}`,
    ]),
  ];
  return {
    async stop() {
      for (const child of started.toReversed()) await ended(child);
    },
  };
}

function alertmanagerYml({ url, pem }: Wanted): string {
  return `route: { receiver: portcullis, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 5m }
receivers:
  - name: portcullis
    webhook_configs:
      - url: ${url}
        send_resolved: true
        max_alerts: 0
        http_config:
          tls_config: { ca_file: ${pem}/root.pem, cert_file: ${pem}/cert.pem, key_file: ${pem}/key.pem }
`;
}

function prometheusYml(exporterPort: number, alertmanager: string): string {
  return `global: { scrape_interval: 1s, evaluation_interval: 1s }
scrape_configs: [{ job_name: devices, static_configs: [{ targets: ["127.0.0.1:${exporterPort}"] }] }]
alerting: { alertmanagers: [{ static_configs: [{ targets: ["${alertmanager}"] }] }] }
rule_files: [rules.yml]
`;
}

function rulesYml(above: number): string {
  return `groups:
  - name: cold
    rules: [{ alert: TooWarm, expr: temperature_celsius > ${above}, labels: { severity: critical } }]
`;
}

function ready(program: string, directory: string, line: RegExp, words: string[]): Promise<ChildProcess> {
  const child = spawn(program, words, { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
  process.once('exit', () => child.kill());
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${program} is not ready within ${patienceMs} ms`)), patienceMs);
    child.once('exit', (status) => reject(new Error(`${program} ended with ${status}`)));
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (said) => {
        if (!line.test(said)) return;
        clearTimeout(timer);
        resolve(child);
      });
    }
  });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill();
  await exit;
}
