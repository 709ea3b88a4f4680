/** The page of checkpoints in Debian's chromium, against a real house: set up by a link, a label before the camera, no network, a cut. */
import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from 'node:tls';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { patienceMs } from '../patience.ts';
import { type House, openHouse, skippedWithout } from './house.ts';

const executablePath = '/usr/bin/chromium';
const skip = skippedWithout(existsSync(executablePath), 'chromium');
const lane = `
journey: lane
steps:
  - { name: factory, by: { role: factory } }
  - { name: export-customs, by: { role: customs } }
  - { name: delivered, by: { role: clinic }, final: true }
offline: [export-customs]
`;

let house: House;
let browser: BrowserContext;
let page: Page;
const said: string[] = [];

before(async () => {
  if (skip) return;
  house = await openHouse((fleet) => {
    appendFileSync(join(fleet, 'fleet.yaml'), 'attributes:\n  role: string\n');
    mkdirSync(join(fleet, 'journeys'));
    writeFileSync(join(fleet, 'journeys/lane.yaml'), lane);
  });
  await house.portcullis('shipment', 'create', 'load-7', '--journey', 'lane');
  writeFileSync(camera(), seenBy(await printedLabel('load-7')));
  browser = await openBrowser();
  page = await browser.newPage();
  page.setDefaultTimeout(patienceMs);
  page.on('console', (message) => said.push(message.text()));
  page.on('pageerror', (error) => said.push(error.message));
});
after(async () => {
  await browser?.close();
  await house?.[Symbol.asyncDispose]();
});

const camera = () => join(house.directory, 'label.y4m');

/** The fleet's issuer stands for one that a telephone knows: it is trusted by its key, and no other is. */
async function openBrowser(): Promise<BrowserContext> {
  const key = createHash('sha256')
    .update(await issuerKey())
    .digest('base64');
  return chromium.launchPersistentContext(join(house.directory, 'browser'), {
    executablePath,
    viewport: { width: 390, height: 844 },
    permissions: ['camera'],
    args: [
      ...['--no-sandbox', '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream'],
      ...[`--use-file-for-fake-video-capture=${camera()}`, `--ignore-certificate-errors-spki-list=${key}`],
    ],
  });
}

/** Of the one who issued the desk's server certificate, in DER. */
async function issuerKey(): Promise<Buffer> {
  const ca = readFileSync(join(house.directory, 'fleet/root.pem'));
  const socket = connect({ host: 'localhost', servername: 'localhost', port: house.basePort + 2, ca });
  await once(socket, 'secureConnect');
  const issuer = new X509Certificate(socket.getPeerCertificate(true).issuerCertificate.raw);
  socket.destroy();
  return issuer.publicKey.export({ type: 'spki', format: 'der' });
}

async function printedLabel(shipment: string): Promise<string> {
  const { code } = JSON.parse(await house.portcullis('shipment', 'code', 'rotate', shipment, '--json')) as {
    code: string;
  };
  return house.portcullis('shipment', 'label', shipment, '--code', code);
}

/** A film of one picture: the first symbol of a label as a camera sees it (YUV4MPEG2). */
function seenBy(label: string): Buffer {
  const [, path = ''] = / d="([^"]*)"/.exec(label) ?? [];
  const runs = [...path.matchAll(/M(\d+) (\d+)\.5h(\d+)/g)].map(
    (run) => run.slice(1).map(Number) as [number, number, number],
  );
  const modules = Math.max(...runs.map(([, row]) => row)) + 1;
  const [width, height] = [640, 480];
  const scale = Math.floor(440 / (modules + 8));
  const [left, top] = [(width - modules * scale) / 2, (height - modules * scale) / 2].map(Math.floor) as [
    number,
    number,
  ];
  const light = Buffer.alloc(width * height, 235);
  for (const [column, row, length] of runs)
    for (let line = 0; line < scale; line++) {
      const from = (top + row * scale + line) * width + left + column * scale;
      light.fill(16, from, from + length * scale);
    }
  const frame = Buffer.concat([Buffer.from('FRAME\n'), light, Buffer.alloc((width * height) / 2, 128)]);
  const head = Buffer.from(`YUV4MPEG2 W${width} H${height} F10:1 Ip A1:1 C420jpeg\n`);
  return Buffer.concat([head, frame, frame, frame]);
}

const address = () => `https://localhost:${house.basePort + 2}/checkpoint`;

async function setUp(checkpoint: string, role: string): Promise<void> {
  const link = await house.portcullis('checkpoint', 'link', checkpoint, '--attribute', `role=${role}`);
  assert.ok(link.startsWith(`${address()}#${checkpoint}.`), link);
  await page.goto('about:blank');
  await page.goto(link);
  await page.getByRole('button', { name: 'Set up' }).click();
  await page.getByRole('heading', { name: `Checkpoint ${checkpoint}` }).waitFor();
  await page.getByRole('button', { name: 'Scan a label' }).waitFor();
}

async function lookUp(text: string): Promise<void> {
  await page.getByLabel('Or type its code or its id').fill(text);
  await page.getByRole('button', { name: 'Look it up' }).click();
}

async function recordAs(result: RegExp): Promise<void> {
  await page.getByRole('button', { name: 'Record arrival' }).click();
  await page.getByRole('listitem').filter({ hasText: result }).first().waitFor();
}

/** Run in the page: the credential that it keeps is due for renewal. */
const madeDue = `new Promise((resolve, reject) => {
  const opening = indexedDB.open('portcullis-checkpoint', 1);
  opening.onsuccess = () => {
    const transaction = opening.result.transaction('credential', 'readwrite');
    const store = transaction.objectStore('credential');
    const reading = store.get('current');
    reading.onsuccess = () => store.put({ ...reading.result, renewAfter: '2020-01-01T00:00:00.000Z' }, 'current');
    transaction.oncomplete = () => resolve(opening.result.close());
    transaction.onabort = () => reject(transaction.error);
  };
})`;

async function eventually(isSo: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + patienceMs; !(await isSo()); await pause(250))
    assert.ok(performance.now() < deadline, 'it did not come to be so');
}

const stepOf = async (shipment: string) =>
  (JSON.parse(await house.portcullis('shipment', 'show', shipment, '--json')) as { step: string | null }).step;

test('a phone is set up by a link, once, and what the link holds is gone from the address', { skip }, async () => {
  const link = await house.portcullis('checkpoint', 'link', 'factory-1', '--attribute', 'role=factory');
  await page.goto(link);
  await page.getByRole('button', { name: 'Set up' }).click();
  await page.getByRole('button', { name: 'Scan a label' }).waitFor();
  assert.equal(page.url(), address());
  const other = await browser.newPage();
  await other.goto('about:blank');
  await other.goto(link);
  await other.getByText('It takes the place of "factory-1"').waitFor();
  await other.getByRole('button', { name: 'Set up' }).click();
  await other.getByRole('alert').filter({ hasText: 'It was refused' }).waitFor();
  await other.close();
});

test('a label before the camera is read, what is expected is said, and the arrival is recorded', { skip }, async () => {
  await page.getByRole('button', { name: 'Scan a label' }).click();
  await page.getByText('Expected here: factory.').waitFor();
  await recordAs(/✓ recorded: load-7, factory/);
  assert.equal(await stepOf('load-7'), 'factory');
});

test('what is not expected is said before, and refused with the reason', { skip }, async () => {
  await lookUp('LOAD-7');
  await page.getByText('NOT EXPECTED HERE: the next step is export-customs').waitFor();
  await recordAs(/✗ REFUSED: load-7.*(checkpoint_not_expected|out_of_sequence)/);
  await lookUp('load-99');
  await page.getByRole('alert').filter({ hasText: 'Not possible' }).waitFor();
  assert.equal(await stepOf('load-7'), 'factory');
});

test('without a network the page is there, an arrival is kept, and told when there is one', { skip }, async () => {
  await setUp('customs-fr', 'customs');
  await page.evaluate('navigator.serviceWorker.ready.then(() => undefined)');
  await browser.setOffline(true);
  await page.reload();
  await page.getByRole('button', { name: 'Scan a label' }).click();
  await page.getByText('nobody knows what is expected next').waitFor();
  await recordAs(/not told yet: load-7/);
  assert.equal(await stepOf('load-7'), 'factory');
  await browser.setOffline(false);
  await page
    .getByRole('listitem')
    .filter({ hasText: /✓ recorded: load-7, export-customs/ })
    .waitFor();
  assert.equal(await stepOf('load-7'), 'export-customs');
});

test('a telephone renews by itself, and records with what it got', { skip }, async () => {
  await page.evaluate(madeDue);
  await page.reload();
  const standings = async () => {
    const lines = await house.portcullis('certificate', 'list', '--subject', 'customs-fr', '--json');
    return lines.split('\n').map((line) => (JSON.parse(line) as { standing: string }).standing);
  };
  await eventually(async () => (await standings()).toSorted().join() === 'superseded,valid');
  await page.getByText('everything is told').waitFor();
  await lookUp('load-7');
  await page.getByText('NOT EXPECTED HERE: the next step is delivered').waitFor();
});

test('who is cut is cut: the key of the phone is good for nothing more', { skip }, async () => {
  await setUp('clinic-1', 'clinic');
  await lookUp('load-7');
  await page.getByText('Expected here: delivered.').waitFor();
  await house.portcullis('certificate', 'suspend', 'clinic-1', '--reason', 'the phone was stolen');
  await recordAs(/✗ REFUSED: load-7/);
  assert.equal(await stepOf('load-7'), 'export-customs');
});

test('nothing that the page did was against its own policy', { skip }, () => {
  const complaints = said.filter((text) => !/Failed to load resource|net::ERR/.test(text));
  assert.deepEqual(complaints, []);
});
