/**
 * Somebody who holds a box scans its label, and checks what the desk answers by a few lines of shell, JavaScript or Python, as
 * docs/concepts/public-answers.md has them. Then the box is stopped, and the next who asks is told so.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { ShipmentCreated } from '@portcullis/contract';
import jsQr from 'jsqr';
import { PNG } from 'pngjs';
import { patienceMs } from '../../test/patience.ts';
import { programOf } from '../page-programs.ts';
import { askPublicly } from './ask-publicly.ts';
import { must, type Stage } from './stage.ts';

const page = join(import.meta.dirname, '../../docs/concepts/public-answers.md');
const journey = `journey: one-way
steps:
  - { name: sent,    by: { role: sender } }
  - { name: arrived, by: { role: receiver }, final: true }
`;

/** By which program each kind of answer is checked. */
const checkers = [
  { name: 'check.sh', form: '.p7s', program: 'sh' },
  { name: 'check.mjs', form: '', program: process.execPath },
  { name: 'check.py', form: '', program: '/usr/bin/python3' },
] as const;

export async function tell(stage: Stage): Promise<void> {
  const { basePort } = await stage.house(() => {
    stage.write('fleet/journeys/one-way.yaml', journey);
    const file = stage.file('fleet/fleet.yaml');
    writeFileSync(file, `${readFileSync(file, 'utf8').trimEnd()}\nattributes: { role: string }\n`);
  });
  const { code } = await stage.told<ShipmentCreated>('shipment', 'create', 'box-1', '--journey', 'one-way');
  writeFileSync(stage.file('code'), code, { mode: 0o600 });
  const picture = await stage.told<{ url: string }>(
    ...['shipment', 'label', 'box-1', '--code', `@${stage.file('code')}`],
    ...['--url', `https://localhost:${basePort + 2}`],
  );
  must(picture.url.length > 0, 'an address on the label');
  stage.seen('box-1 is made, and its label is printed: a key that signed one statement of it is gone by now');

  const url = scanned(await labelOf(stage, basePort));
  must(url.toLowerCase() === picture.url.toLowerCase(), `the address that is printed: ${url}`);
  stage.seen(`its QR code is scanned: ${url.replace(code, '…')}`);

  for (const { name } of checkers) stage.write(name, programOf(readFileSync(page, 'utf8'), name));
  const at = `https://localhost:${basePort + 2}/v1/public/${new URL(url).pathname.split('/').at(-1)}`;
  await checked(stage, at, 'on_its_way');
  await stage.portcullis('shipment', 'stop', 'box-1', '--reason', 'the demo', '--wait');
  await checked(stage, at, 'stopped');
}

async function labelOf(stage: Stage, basePort: number): Promise<Buffer> {
  const words = ['shipment', 'label', 'box-1', '--code', `@${stage.file('code')}`, '--png'];
  return stage.bytes(...words, '--url', `https://localhost:${basePort + 2}`, '--fleet', stage.fleet);
}

/** As a phone reads it. */
function scanned(png: Buffer): string {
  const { data, width, height } = PNG.sync.read(png);
  const found = jsQr.default(new Uint8ClampedArray(data), width, height);
  if (!found) throw new Error('not seen: a QR code in the picture of the label');
  return found.data;
}

/** By each of the three, as soon as the desk says so. */
async function checked(stage: Stage, url: string, state: string): Promise<void> {
  const root = stage.file('fleet/root.pem');
  const ca = readFileSync(root);
  for (const { name, form, program } of checkers) {
    const kept = stage.file(`kept${form}`);
    let said = '';
    for (const end = performance.now() + patienceMs; said !== `box-1 ${state}`; await pause(100)) {
      if (performance.now() > end) throw new Error(`not seen: ${name} says ${state}; it said ${said}`);
      writeFileSync(kept, await askPublicly(`${url}${form}`, ca));
      const { stdout, stderr } = spawnSync(program, [stage.file(name), kept, root], { cwd: stage.home });
      said = `${stdout}${stderr}`.trim();
    }
    stage.seen(`${name}: ${said}`);
  }
}
