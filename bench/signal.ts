/** From a signal to its receipt; beside it the same alert through Alertmanager into a script that edits a list of nginx and reloads it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { Agent, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Receipt } from '@portcullis/contract';
import { enrol, exportCredential } from '@portcullis/device';
import { Operator } from '../packages/server/test/operator.ts';
import { freeBasePort, succeeded } from '../tools/commands.ts';
import type { Result, Row } from './bench.ts';
import { joinGate } from './cut.ts';
import { distributionOf, inShort } from './distribution.ts';
import { fillFleet } from './fleet.ts';
import { rounded, thousands } from './measure.ts';
import { type Nginx, openStage, type Stage, startNginx } from './stage.ts';

const certificates = 100_000;
const signals = 500;
const warmUps = 30;
const peerRounds = 5;
const device = 'truck-17';
const targetMs = 50;

const reactions = `
signals:
  plant:
    certificate: alertmanager-1
    format: alertmanager
    may: { attributes: { status: [quarantined] } }
    limit: 100000 in 1s
    reactions:
      - { on: 'alert.labels.severity == "critical"', subject: alert.labels.device, hold: { status: quarantined } }
`;

/** As Alertmanager sends it: a new start is a new episode. */
const webhook = (second: number) => ({
  ...{ version: '4', groupKey: '{}', truncatedAlerts: 0, status: 'firing', receiver: 'portcullis', externalURL: '' },
  ...{ groupLabels: {}, commonLabels: {}, commonAnnotations: {} },
  alerts: [
    {
      ...{ status: 'firing', fingerprint: 'c1f0a2e4b5d6a7f8', generatorURL: '', annotations: {} },
      labels: { alertname: 'Overheated', severity: 'critical', device },
      startsAt: new Date(Date.UTC(2026, 0, 1) + second * 1_000).toISOString(),
      endsAt: '0001-01-01T00:00:00Z',
    },
  ],
});

interface Answer {
  results: { outcome: string }[];
  receipt?: Receipt;
}

/** A monitor with its certificate, over one connection that it keeps. */
class Monitor {
  readonly #agent: Agent;
  readonly #url: string;

  constructor(pem: string, url: string) {
    const file = (name: string) => readFileSync(join(pem, name));
    const identity = { key: file('key.pem'), cert: file('cert.pem'), ca: file('root.pem') };
    this.#agent = new Agent({ keepAlive: true, maxSockets: 1, ...identity });
    this.#url = url;
  }

  async send(body: object): Promise<Answer> {
    const headers = { 'content-type': 'application/json' };
    const sent = request(`${this.#url}?wait=all`, { method: 'POST', agent: this.#agent, headers });
    sent.end(JSON.stringify(body));
    const [answer] = await once(sent, 'response');
    const pieces: Buffer[] = [];
    for await (const piece of answer) pieces.push(piece as Buffer);
    const text = Buffer.concat(pieces).toString();
    if (answer.statusCode !== 200) throw new Error(`the signal was answered ${answer.statusCode}: ${text}`);
    return JSON.parse(text) as Answer;
  }

  close(): void {
    this.#agent.destroy();
  }
}

async function monitorOf({ house }: Stage): Promise<Monitor> {
  const words = ['token', 'create', 'alertmanager-1', '--kind', 'monitor', '--fleet', house.fleet];
  const token = await succeeded('portcullis', ...words);
  const directory = join(house.home, 'alertmanager-1');
  const credential = await enrol({ token: token.trim(), directory });
  exportCredential(credential, `${directory}-pem`);
  return new Monitor(`${directory}-pem`, `https://localhost:${house.basePort}/v1/signals/plant`);
}

interface Times {
  sent: number[];
  inForce: number[];
}

async function measureSignals(stage: Stage): Promise<Times> {
  const operator = new Operator(stage.house.fleet);
  const monitor = await monitorOf(stage);
  const times: Times = { sent: [], inForce: [] };
  try {
    for (let index = 0; index < warmUps + signals; index++) {
      const sent = performance.now();
      const { results, receipt } = await monitor.send(webhook(index));
      const ms = performance.now() - sent;
      if (results[0]?.outcome !== 'held' || !receipt?.confirmed || receipt.elapsedMs === null)
        throw new Error(`signal ${index} was not in force: ${JSON.stringify({ results, receipt })}`);
      if (index >= warmUps) times.sent.push(ms);
      if (index >= warmUps) times.inForce.push(receipt.elapsedMs);
      await operator.change('holds/release', { subject: device, reason: 'bench' }, 30_000);
    }
    return times;
  } finally {
    monitor.close();
    operator.close();
  }
}

interface PeerTimes {
  /** Alert given to Alertmanager → its webhook here. */
  told: number[];
  /** Webhook here → first new connection refused. */
  refused: number[];
}

/** A list of so many fingerprints as nginx knows them: SHA-1 (`$ssl_client_fingerprint`). */
function listOf(folder: string): { http: string; extra: string; write(cut?: string): void } {
  const file = join(folder, 'cut.map');
  const others = Array.from(
    { length: certificates },
    (_, index) => `${index.toString(16).padStart(40, '0')} 1;\n`,
  ).join('');
  const write = (cut?: string) => writeFileSync(file, others + (cut === undefined ? '' : `${cut} 1;\n`));
  write();
  const http = `map_hash_bucket_size 128; map_hash_max_size 524288; map $ssl_client_fingerprint $cut { default 0; include ${file}; }`;
  return { http, extra: 'if ($cut) { return 403; }', write };
}

async function measurePeer(stage: Stage): Promise<PeerTimes | undefined> {
  const binary = '/usr/bin/prometheus-alertmanager';
  const folder = join(stage.house.home, 'peer');
  mkdirSync(folder);
  const list = listOf(folder);
  const nginx = await startNginx(stage, list.extra, undefined, list.http);
  if (!nginx || !existsSync(binary)) return undefined;
  const fingerprint = new X509Certificate(readFileSync(join(stage.pem, 'cert.pem'))).fingerprint
    .replaceAll(':', '')
    .toLowerCase();
  const hook = createServer();
  hook.listen(0, '127.0.0.1');
  await once(hook, 'listening');
  const alertmanager = await startAlertmanager(folder, (hook.address() as AddressInfo).port);
  const times: PeerTimes = { told: [], refused: [] };
  try {
    for (let round = 0; round < peerRounds; round++) {
      await until(async () => (await statusAt(stage, nginx)) === 204);
      const posted = performance.now();
      const heard = nextHook(hook);
      await fetch(`http://127.0.0.1:${alertmanager.port}/api/v2/alerts`, {
        ...{ method: 'POST', headers: { 'content-type': 'application/json' } },
        body: JSON.stringify([
          { labels: { alertname: 'Overheated', severity: 'critical', device, round: String(round) } },
        ]),
      });
      await heard;
      const hooked = performance.now();
      times.told.push(hooked - posted);
      list.write(fingerprint);
      nginx.reload();
      await until(async () => (await statusAt(stage, nginx)) === 403);
      times.refused.push(performance.now() - hooked);
      list.write();
      nginx.reload();
    }
    return times;
  } finally {
    alertmanager.child.kill();
    hook.close();
    nginx.stop();
  }
}

function nextHook(hook: Server): Promise<void> {
  return new Promise((resolve) => {
    hook.once('request', (asked, answer) => {
      asked.resume().on('end', () => answer.end());
      resolve();
    });
  });
}

async function startAlertmanager(folder: string, hookPort: number): Promise<{ child: ChildProcess; port: number }> {
  const port = await freeBasePort();
  const file = join(folder, 'alertmanager.yml');
  writeFileSync(
    file,
    `route: { receiver: hook, group_by: ['...'], group_wait: 0s, group_interval: 1s }
receivers: [{ name: hook, webhook_configs: [{ url: 'http://127.0.0.1:${hookPort}/', max_alerts: 0 }] }]
`,
  );
  const words = [`--config.file=${file}`, `--storage.path=${folder}/data`, `--web.listen-address=127.0.0.1:${port}`];
  const child = spawn('/usr/bin/prometheus-alertmanager', [...words, '--cluster.listen-address='], { stdio: 'ignore' });
  process.once('exit', () => child.kill());
  await until(async () => (await fetch(`http://127.0.0.1:${port}/-/ready`).catch(() => undefined))?.ok === true);
  return { child, port };
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 60_000;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error('not within a minute');
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Over a new connection. */
async function statusAt({ pem }: Stage, { port }: Nginx): Promise<number> {
  const file = (name: string) => readFileSync(join(pem, name));
  const identity = { key: file('key.pem'), cert: file('cert.pem'), ca: file('root.pem') };
  const asked = request({
    host: 'localhost',
    port,
    path: '/',
    agent: new Agent({ keepAlive: false }),
    ...identity,
  }).end();
  const answer = (await once(asked, 'response').catch(() => [])) as { statusCode?: number; resume?(): void }[];
  answer[0]?.resume?.();
  return answer[0]?.statusCode ?? 0;
}

export async function benchSignal(): Promise<Result> {
  const stage = await openStage(async (fleet) => {
    appendFileSync(join(fleet, 'fleet.yaml'), reactions);
    await fillFleet(fleet, certificates);
  });
  const gates = [await joinGate(stage.house, 2)];
  try {
    const { sent, inForce } = await measureSignals(stage);
    const peer = await measurePeer(stage);
    const received = distributionOf(`signal sent → receipt, 2 gates, ${thousands(certificates)} certificates`, sent);
    const committed = distributionOf('of it, committed → in force', inForce);
    const spanOf = (times: number[]) => `${rounded(Math.min(...times), 0)} to ${rounded(Math.max(...times), 0)} ms`;
    const told = peer
      ? `${spanOf(peer.refused)} (webhook → nginx, list of ${thousands(certificates)}, reload → new connection refused; ${peerRounds} times)`
      : 'nginx or Alertmanager is not installed';
    const nothing = { peer: '', target: '', met: null };
    const rows: Row[] = [
      {
        what: received.what,
        ours: inShort(received),
        peer: told,
        target: `p99 ≤ ${targetMs} ms`,
        met: received.p99 <= targetMs,
      },
      { ...nothing, what: committed.what, ours: inShort(committed) },
      ...(peer
        ? [{ ...nothing, what: 'alert given to Alertmanager → its webhook', ours: 'the same', peer: spanOf(peer.told) }]
        : []),
    ];
    return { rows, distributions: [received, committed] };
  } finally {
    for (const gate of gates) await gate.stop();
    await stage.close();
  }
}
