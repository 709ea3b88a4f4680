/**
 * An alert of a real Prometheus cuts a device by a real Alertmanager. When its exporter is stopped both say "resolved": the device stays cut.
 * It is let go once the alert stays resolved and the device has shown, by a reading that its gate admitted, that it is well.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { ChangeView, HoldView, VerdictView } from '@portcullis/contract';
import { patienceMs } from '../../test/patience.ts';
import { freeBasePort, succeeded } from '../commands.ts';
import { Exporter, isThere, startMonitoring } from './monitoring.ts';
import { must, type Stage } from './stage.ts';

const device = 'truck-17';
const lookMs = 100;

const signals = `attributes:
  status: { order: [active, quarantined] }
signals:
  plant:
    certificate: alertmanager-1
    format: alertmanager
    may: { attributes: { status: [quarantined] } }
    reactions:
      - on: 'alert.labels.severity == "critical"'
        subject: 'alert.labels.device'
        hold: { status: quarantined }
        reason: '"alert " + alert.labels.alertname'
        until: resolved
        settle: 3s
        proof: { stream: health, inside: 'reading.temperature <= 8.0' }
`;
/** Where a device that is held may show that it is well, and nothing else. */
const health = `  health:
    expect: { status: { in: [active, quarantined] } }
`;

function append(file: string, text: string): void {
  writeFileSync(file, `${readFileSync(file, 'utf8').trimEnd()}\n${text}`);
}

export async function tell(stage: Stage): Promise<void> {
  for (const program of ['prometheus', 'prometheus-alertmanager'])
    if (!isThere(program)) throw new Error(`there is no ${program}; Debian has a package of that name`);
  const { basePort } = await stage.house(() => {
    append(`${stage.fleet}/fleet.yaml`, signals);
    const gate = `${stage.fleet}/gate.yaml`;
    writeFileSync(
      gate,
      readFileSync(gate, 'utf8').replace(/^streams:\n/m, (line) => `${line}${health}`),
    );
  });
  const watching = stage.start('portcullis', 'watch', '--json', '--fleet', stage.fleet);
  const directory = await stage.enrol(device);
  stage.start('portcullis-device', 'run', '--metrics', '--interval', '0.2', '--device', directory);
  await watching.line(/"verdict":"admitted"/);
  stage.seen(`${device} sends, and is admitted`);

  const exporter = stage.keep(new Exporter(device));
  await exporter.start();
  await monitor(stage, basePort, exporter);
  stage.seen('Prometheus looks at its temperature each second; its alerts go by Alertmanager to the authority');

  exporter.celsius = 9;
  const begun = performance.now();
  const refused = JSON.parse(await watching.line(/"verdict":"refused"/)) as VerdictView;
  must(refused.reason === 'attribute_not_expected', 'refused by its attribute');
  stage.seen(`9 degrees: the alert fires, and ${device} is refused ${Math.round(performance.now() - begun)} ms after`);
  const hold = await holdThat(stage, ({ alert }) => alert.state === 'firing');
  const { receipt } = await stage.told<ChangeView>('change', 'show', String(hold.revision));
  must(receipt.confirmed, 'a receipt of every gate');
  stage.seen(
    `held by ${hold.source} (${hold.reason}), in force at every gate ${receipt.elapsedMs} ms after the signal`,
  );

  await exporter.stop();
  stage.seen('the exporter is stopped: nobody measures any more');
  await holdThat(stage, ({ alert }) => alert.state === 'claimed_resolved');
  await pause(4_000);
  must((await explained(stage)) === 'refused', 'refused, whatever Alertmanager says');
  const lacks = (await holdThat(stage, () => true)).lacks ?? '';
  stage.seen(`Alertmanager says "resolved"; 4 s later ${device} is still cut: ${lacks}`);

  exporter.celsius = 5;
  await exporter.start();
  writeFileSync(stage.file('well.json'), '{"temperature": 5.0}\n');
  await succeeded('portcullis-device', 'send', 'health', stage.file('well.json'), '--device', directory);
  stage.seen(
    `${device} is well again, and shows it: a reading of 5 degrees, which its gate admits on the stream "health"`,
  );
  await until(async () => (await explained(stage)) === 'admitted', 'admitted again');
  must((await holds(stage)).length === 0, 'nothing holds it');
  stage.seen('the hold is lifted without a human: admitted again');
}

async function monitor(stage: Stage, basePort: number, exporter: Exporter): Promise<void> {
  const pem = stage.file('pem');
  const credential = await stage.enrol('alertmanager-1', '--kind', 'monitor');
  await succeeded('portcullis-device', 'export', pem, '--device', credential);
  const url = `https://localhost:${basePort}/v1/signals/plant`;
  const base = await freeBasePort();
  stage.keep(await startMonitoring({ directory: stage.home, base, exporterPort: exporter.port, url, pem, above: 8 }));
}

async function holds(stage: Stage): Promise<HoldView[]> {
  const out = await stage.portcullis('signal', 'list', device, '--json');
  return out === '' ? [] : out.split('\n').map((line) => JSON.parse(line) as HoldView);
}

async function holdThat(stage: Stage, fits: (hold: HoldView) => boolean): Promise<HoldView> {
  let found: HoldView | undefined;
  await until(async () => {
    found = (await holds(stage)).find(fits);
    return found !== undefined;
  }, 'a hold of that kind');
  return found as HoldView;
}

const explained = async (stage: Stage) =>
  (await stage.told<VerdictView>('explain', device, '--stream', 'telemetry')).verdict;

async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  for (const end = performance.now() + patienceMs; performance.now() < end; await pause(lookMs)) {
    if (await holds()) return;
  }
  throw new Error(`not seen: ${what}`);
}
