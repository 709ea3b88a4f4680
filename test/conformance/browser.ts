/** What a phone is shown that scans a code: in Debian's chromium, with another authority standing for a public one. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect } from 'node:tls';
import { enrol } from '@portcullis/device';
import { type Browser, chromium, type Page } from 'playwright-core';
import { FleetCertificates } from '../../packages/server/test/fleet-certificates.ts';
import { eventually } from '../../packages/server/test/house.ts';
import { freeBasePort, Running, succeeded } from '../../tools/commands.ts';
import { textOf } from '../tree.ts';
import { skippedWithout } from './house.ts';

const executablePath = '/usr/bin/chromium';
const skip = skippedWithout(existsSync(executablePath), 'chromium (Debian: chromium)');
const documented = textOf('docs/operating/public-certificate.md');
const hook = /```bash\n([\s\S]*?)```/.exec(documented)?.[1] ?? '';
const hostile = `"><script>document.title='owned'</script><img src=x>\u202egnissim ${'a'.repeat(400)}`;
const startMs = 60_000;

let directory: string;
let fleet: string;
let port: number;
let up: Running;
let authority: FleetCertificates;
let browser: Browser;
let url: string;
const portcullis = (...words: string[]) => succeeded('portcullis', ...words, '--fleet', fleet);

before(async () => {
  if (skip) return;
  directory = mkdtempSync(join(tmpdir(), 'portcullis-browser-'));
  fleet = join(directory, 'fleet');
  const base = await freeBasePort();
  port = base + 15;
  authority = await FleetCertificates.make('public-authority');
  await succeeded('portcullis', 'init', fleet, '--base-port', String(base));
  await renewed();
  const phones = { url: `https://localhost:${port}`, port, certificate: 'public.pem', key: 'public-key.pem' };
  appendFileSync(join(fleet, 'desk.yaml'), `public: ${JSON.stringify(phones)}\n`);
  up = new Running('portcullis', 'up', fleet);
  await Promise.all(['authority', 'gate', 'desk'].map((role) => up.line(new RegExp(`^${role} listening`), startMs)));
  const token = await portcullis('token', 'create', 'box-1', '--kind', 'shipment');
  await enrol({ token: token.trim(), directory: join(directory, 'box-1') });
  await portcullis('attribute', 'set', 'box-1', 'destination=Basel', `note=${hostile}`, '--public');
  await eventually(async () => (await portcullis('desk', 'list', '--json')).includes('publicUrl'), 'the desk reports');
  const { url: told } = JSON.parse(await portcullis('shipment', 'code', 'rotate', 'box-1', '--json')) as {
    url: string;
  };
  url = told;
  browser = await launched(authority.issuerPem);
  const open = await browser.newPage();
  await eventually(async () => (await open.goto(url))?.status() === 200, 'the desk was told of it');
  await open.close();
});
after(async () => {
  await browser?.close();
  await up?.stop();
  if (directory) rmSync(directory, { recursive: true, force: true });
});

/** As certbot does it, with the hook of the page; resolves to the fingerprint of the new one. */
async function renewed(): Promise<string> {
  const lineage = join(directory, 'lineage');
  mkdirSync(lineage, { recursive: true });
  const { key, cert } = await authority.leaf({ subject: 'box.example.org', kind: 'desk', purpose: 'server' });
  writeFileSync(join(lineage, 'privkey.pem'), key, { mode: 0o600 });
  writeFileSync(join(lineage, 'fullchain.pem'), cert);
  const env = { ...process.env, RENEWED_LINEAGE: lineage, DESK: fleet, OWNER: userInfo().username };
  const { status, stderr } = spawnSync('sh', ['-c', hook], { env, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return new X509Certificate(cert).fingerprint256;
}

/** A browser that takes what this authority issued, and nothing else that it does not know. */
function launched(trusting: string | undefined): Promise<Browser> {
  const spki = (pem: string) => new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' });
  const pin = (pem: string) => createHash('sha256').update(spki(pem)).digest('base64');
  const trust = trusting === undefined ? [] : [`--ignore-certificate-errors-spki-list=${pin(trusting)}`];
  return chromium.launch({ executablePath, args: ['--no-sandbox', ...trust] });
}

async function phone(locale: string): Promise<{ page: Page; asked: string[]; complaints: string[] }> {
  const context = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 360, height: 640 }, locale });
  const page = await context.newPage();
  const [asked, complaints]: [string[], string[]] = [[], []];
  page.on('request', (request) => asked.push(request.url()));
  page.on('console', (message) => complaints.push(message.text()));
  return { page, asked, complaints };
}

test('a phone that does not know the authority is not shown the page', { skip }, async () => {
  const other = await launched(undefined).then(async (one) => {
    const page = await one.newPage();
    const why = await page.goto(url).then(
      () => 'it was shown',
      (error: Error) => error.message,
    );
    await one.close();
    return why;
  });
  assert.match(other, /ERR_CERT_AUTHORITY_INVALID/);
});

test('a phone is shown the state first, in its language, without a script, and fetches nothing else', {
  skip,
}, async () => {
  for (const [locale, lang, heading] of [
    ['en-GB', 'en', 'Known'],
    ['de-DE', 'de', 'Bekannt'],
  ] as const) {
    const { page, asked, complaints } = await phone(locale);
    const answer = await page.goto(url);
    assert.equal(answer?.status(), 200);
    assert.deepEqual(
      [await page.locator('html').getAttribute('lang'), await page.locator('h1').innerText()],
      [lang, heading],
    );
    assert.deepEqual([asked, complaints], [[url], []]);
    const { y = 1_000, height = 0 } = (await page.locator('h1').boundingBox()) ?? {};
    assert.ok(y + height < 640, 'the state is seen without scrolling');
    assert.equal(await page.getByRole('main').count(), 1);
    const widest = await page.locator('body').evaluate((body) => body.ownerDocument.documentElement.scrollWidth);
    assert.ok(widest <= 360, `the page is ${widest} wide`);
    if (process.env.SCREENSHOTS)
      await page.screenshot({ path: join(process.env.SCREENSHOTS, `${lang}.png`), fullPage: true });
    await page.context().close();
  }
});

test('hostile values are shown as text', { skip }, async () => {
  const { page } = await phone('en');
  await page.goto(url);
  assert.match(await page.title(), /^box-1: Known$/);
  assert.deepEqual([await page.locator('script').count(), await page.locator('img').count()], [0, 0]);
  const note = await page.locator('dd', { hasText: '<script>' }).locator('bdi').innerText();
  assert.ok(note.startsWith(`"><script>document.title='owned'</script><img src=x>\\u{202e}gnissim`));
  await page.context().close();
});

test('a cut is seen on the next look, in words, colour and shape', { skip }, async () => {
  const { page } = await phone('en');
  await page.goto(url);
  const shape = await page.locator('.state svg').innerHTML();
  await portcullis('certificate', 'suspend', 'box-1', '--wait');
  await eventually(async () => {
    await page.reload();
    return (await page.locator('h1').innerText()) === 'STOPPED';
  }, 'it is stopped');
  assert.notEqual(await page.locator('.state svg').innerHTML(), shape);
  const colour = await page.evaluate('getComputedStyle(document.querySelector(".state")).backgroundColor');
  assert.equal(colour, 'rgb(163, 0, 0)');
  if (process.env.SCREENSHOTS)
    await page.screenshot({ path: join(process.env.SCREENSHOTS, 'stopped.png'), fullPage: true });
  await portcullis('certificate', 'resume', 'box-1', '--wait');
  await page.context().close();
});

test('a renewed certificate is shown without a restart', { skip }, async () => {
  const fingerprint = await renewed();
  const shown = () =>
    new Promise<string>((resolve, reject) => {
      const socket = connect({ host: 'localhost', port, ca: authority.rootPem }, () => {
        resolve(socket.getPeerCertificate().fingerprint256);
        socket.destroy();
      }).on('error', reject);
    });
  await eventually(async () => (await shown()) === fingerprint, 'the new one is shown');
});
