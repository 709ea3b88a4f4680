/**
 * Three refrigerated loads on one lane, an hour of it in a fifth of a second: one goes through, though a customs office without a network uploads
 * late; the cooling of one breaks down at sea, and the clinic can not accept it; one is recorded out of its order, and is refused there.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { ArrivalAnswer, BreachView, ShipmentCreated, ShipmentView } from '@portcullis/contract';
import { Device } from '@portcullis/device';
import { patienceMs } from '../../test/patience.ts';
import { succeeded } from '../commands.ts';
import { within } from '../within.ts';
import { askPublicly } from './ask-publicly.ts';
import { must, type Stage } from './stage.ts';
import { ThermalLoad } from './thermal-load.ts';

const hourMs = 200;
/** Every half an hour each tracker measures. */
const measuredHours = 0.5;

const journey = `journey: vaccine-lane
steps:
  - { name: factory,        by: { role: factory } }
  - { name: pickup,         by: { role: trucker } }
  - { name: export-customs, by: { role: customs, country: FR } }
  - { name: loaded,         by: { role: ship } }
  - { name: import-customs, by: { role: customs, country: US } }
  - { name: second-truck,   by: { role: trucker } }
  - { name: delivered,      by: { role: clinic }, require: { cold_chain: intact }, final: true }
offline: [export-customs]
`;

/** Ten hours on this lane are two seconds. */
const rule = `rule: cold-chain
streams: [cold]
about: attributes.shipment
outside: reading.temperature > 8.0 || reading.temperature < 2.0
inside: reading.temperature <= 7.5 && reading.temperature >= 2.5
for: 2s
silent: 2m
during: { from: pickup, until: delivered }
on: { breach: { cold_chain: broken }, silence: { cold_chain: unknown }, well: { cold_chain: intact } }
`;

const loads = ['load-1', 'load-2', 'load-3'] as const;
type Load = (typeof loads)[number];

const checkpoints: Record<string, string[]> = {
  factory: ['role=factory'],
  trucker: ['role=trucker'],
  'customs-fr': ['role=customs', 'country=FR'],
  ship: ['role=ship'],
  'customs-us': ['role=customs', 'country=US'],
  clinic: ['role=clinic'],
};

export async function tell(stage: Stage): Promise<void> {
  const rung = stage.file('rung');
  writeFileSync(rung, '');
  const { basePort } = await stage.house(() => prepare(stage, rung));
  await Promise.all(
    Object.entries(checkpoints).map(([name, attributes]) =>
      stage.enrol(name, '--kind', 'checkpoint', ...attributes.flatMap((one) => ['--attribute', one])),
    ),
  );
  stage.seen(
    `${Object.keys(checkpoints).length} checkpoints have certificates; what each may record, its attributes say`,
  );
  const codes = new Map<Load, string>();
  const trackers = new Map<Load, Tracker>();
  for (const load of loads) {
    const device = await stage.enrol(`tracker-of-${load}`);
    const made = await stage.told<ShipmentCreated>(
      ...['shipment', 'create', load, '--journey', 'vaccine-lane', '--tracker', `tracker-of-${load}`],
    );
    codes.set(load, made.code);
    trackers.set(load, stage.keep(await Tracker.open(device)));
  }
  stage.seen('three loads are made, each with a tracker and a code on its label');

  await travel(new Lane(stage), trackers);
  await rang(stage, rung, ['out_of_sequence', 'breach', 'arrival_pending']);
  for (const tracker of trackers.values()) await tracker.stop();
  await answers(stage, basePort, codes);
  const svg = await stage.portcullis('shipment', 'plot', 'load-2', '--stream', 'cold', '--low', '2', '--high', '8');
  const picture = join(tmpdir(), 'portcullis-load-2.svg');
  writeFileSync(picture, `${svg}\n`);
  must(/<title/.test(svg) && /breach/.test(svg), 'a picture that shows the breach');
  stage.seen(`what load-2 went through is drawn: ${picture}`);
}

function prepare(stage: Stage, rung: string): void {
  const { fleet } = stage;
  for (const [folder, file, text] of [
    ['journeys', 'vaccine-lane.yaml', journey],
    ['rules', 'cold-chain.yaml', rule],
  ] as const) {
    stage.write(join('fleet', folder, file), text);
  }
  const change = (name: string, by: (text: string) => string) =>
    writeFileSync(join(fleet, name), by(readFileSync(join(fleet, name), 'utf8')));
  change('gate.yaml', (text) =>
    text.replace(/^streams:\n/m, (line) => `${line}  cold: { expect: { status: active } }\n`),
  );
  const target = `{ command: [/usr/bin/tee, -a, ${rung}], groupWait: 1s }`;
  const attributes = 'attributes: { role: string, country: string, cold_chain: string }';
  change('fleet.yaml', (text) => `${text.trimEnd()}\n${attributes}\nalerts: { targets: { bell: ${target} } }\n`);
}

/** From the factory to the clinic, in the order in which it happens. */
async function travel(lane: Lane, trackers: Map<Load, Tracker>): Promise<void> {
  const { stage } = lane;
  for (const load of loads) await lane.arrives(load, 'factory');
  await lane.hours(2);
  for (const load of loads) await lane.arrives(load, 'trucker');
  stage.seen('all three were made at the factory and picked up; what their trackers measure counts from here on');

  await lane.hours(4);
  const words = await lane.refused('load-3', 'customs-us');
  must(/out_of_sequence/.test(words), `refused as out of sequence: ${words}`);
  stage.seen(`load-3 is recorded at the wrong customs, and refused: ${words}`);

  const scanned = new Date(Date.now()).toISOString();
  for (const load of ['load-2', 'load-3'] as const) await lane.arrives(load, 'customs-fr');
  await lane.hours(4);
  for (const load of ['load-2', 'load-3'] as const) await lane.arrives(load, 'ship');
  const pending = await lane.arrives('load-1', 'ship');
  must(pending.outcome === 'pending' && pending.waitsFor[0] === 'export-customs', 'kept, waiting for customs');
  stage.seen(`load-1 is on the ship, and its export customs is not known yet: kept, not recorded, until that comes`);
  trackers.get('load-2')?.load.breakDown();

  await lane.hours(6);
  const late = await lane.arrives('load-1', 'customs-fr', '--at', scanned);
  must(late.outcome === 'recorded', 'the late upload recorded');
  must((await lane.show('load-1')).step === 'loaded', 'load-1 loaded');
  stage.seen(
    'the customs office has a network again and uploads what it scanned then: load-1 is loaded, all came right',
  );

  const { from, at } = await lane.breachOf('load-2');
  stage.seen(`at sea the cooling of load-2 broke down: out of bounds since ${from}, broken at ${at}`);
  for (const load of loads) await lane.arrives(load, 'customs-us');
  for (const load of loads) await lane.arrives(load, 'trucker');
  await lane.hours(2);
  for (const load of ['load-1', 'load-3'] as const) {
    const delivered = await lane.arrives(load, 'clinic');
    must(delivered.step === 'delivered', `${load} delivered`);
  }
  stage.seen('load-1 and load-3 are delivered: nothing was out of bounds for too long, and nothing is unknown');
  const no = await lane.refused('load-2', 'clinic');
  must(/condition_not_met/.test(no), `refused by its condition: ${no}`);
  stage.seen(`the clinic can not accept load-2: ${no}`);
}

class Lane {
  readonly stage: Stage;

  constructor(stage: Stage) {
    this.stage = stage;
  }

  async arrives(load: Load, checkpoint: string, ...words: string[]): Promise<ArrivalAnswer> {
    const device = this.stage.file(checkpoint);
    return JSON.parse(
      await within('arrival', 'record', load, '--device', device, '--place', checkpoint, '--json', ...words),
    ) as ArrivalAnswer;
  }

  /** What a checkpoint is told that may not record it. */
  async refused(load: Load, checkpoint: string): Promise<string> {
    try {
      await this.arrives(load, checkpoint);
    } catch (error) {
      const { code = 'no code', message } = error as { code?: string; message: string };
      return `${code}: ${message}`;
    }
    throw new Error(`not seen: ${load} refused at ${checkpoint}`);
  }

  show(load: Load): Promise<ShipmentView> {
    return this.stage.told('shipment', 'show', load);
  }

  /** The ship sails on until it is found. */
  async breachOf(load: Load): Promise<BreachView> {
    for (const end = performance.now() + patienceMs; performance.now() < end; await this.hours(1)) {
      const out = await this.stage.portcullis('breach', 'list', '--json');
      const breaches = out === '' ? [] : out.split('\n').map((line) => JSON.parse(line) as BreachView);
      const found = breaches.find(({ subject }) => subject === load);
      if (found) return found;
    }
    throw new Error(`not seen: a breach of ${load}`);
  }

  hours(count: number): Promise<void> {
    return pause(count * hourMs);
  }
}

const weather = { mean: 24, swing: 6 };

/** A device in a box: it measures the model's temperature as time goes by, and sends it. */
class Tracker {
  readonly load = new ThermalLoad();
  readonly #device: Device;
  readonly #timer: NodeJS.Timeout;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(device: Device) {
    this.#device = device;
    this.#timer = setInterval(() => this.#measure(), measuredHours * hourMs);
  }

  static async open(directory: string): Promise<Tracker> {
    return new Tracker(await Device.open({ directory }));
  }

  #measure(): void {
    this.#last = this.#device.send('cold', { temperature: this.load.after(measuredHours, weather) });
    this.#last.catch(() => undefined);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#last.catch(() => undefined);
    await this.#device.close();
  }
}

/** Each of these kinds was told to the target. */
async function rang(stage: Stage, file: string, kinds: string[]): Promise<void> {
  for (const end = performance.now() + patienceMs; ; await pause(hourMs)) {
    const text = readFileSync(file, 'utf8');
    if (kinds.every((kind) => text.includes(kind))) return stage.seen(`rung at the target: ${kinds.join(', ')}`);
    if (performance.now() > end) throw new Error(`not seen: ${kinds.join(', ')} in ${text}`);
  }
}

/** What anybody who holds the label is told, kept, and checked without a network. */
async function answers(stage: Stage, basePort: number, codes: Map<Load, string>): Promise<void> {
  const root = join(stage.fleet, 'root.pem');
  const ca = readFileSync(root);
  for (const [load, code] of codes) {
    const file = stage.file(`${load}.json`);
    writeFileSync(file, await askPublicly(`https://localhost:${basePort + 2}/v1/public/${code}`, ca));
    const told = JSON.parse(await succeeded('portcullis-device', 'verify', file, '--root', root, '--json')) as {
      answer?: { state: string };
      state?: string;
    };
    const state = told.answer?.state ?? told.state;
    must(state === (load === 'load-2' ? 'on_its_way' : 'accepted'), `${load} as it is: ${JSON.stringify(told)}`);
    stage.seen(`the public answer about ${load} was kept and checked offline: ${state}`);
  }
}
