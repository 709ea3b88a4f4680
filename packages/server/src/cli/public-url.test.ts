import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { Output } from './output.ts';
import { publicUrlOf } from './public-url.ts';

const desk = 'authority: https://a.example:8440\nurl: https://desk.example:8441\n';

async function told(context: TestContext, yaml: string | undefined, url?: string) {
  const fleet = mkdtempSync(join(tmpdir(), 'portcullis-url-'));
  context.after(() => rmSync(fleet, { recursive: true, force: true }));
  if (yaml !== undefined) writeFileSync(join(fleet, 'desk.yaml'), yaml);
  const side = new PassThrough({ encoding: 'utf8' });
  const output = new Output(new PassThrough(), side, { json: false });
  const found = await publicUrlOf({ fleet, ...(url !== undefined && { url }) }, output);
  return [found, String(side.read() ?? '')];
}

test('where anybody reaches the desk is what is given, else what is for phones', async (context) => {
  const phones = `${desk}listen: { publicPort: 8442 }\npublic: { url: "https://scan.example", port: 8450 }\n`;
  assert.deepEqual(await told(context, phones, 'https://x.example/'), ['https://x.example', '']);
  assert.deepEqual(await told(context, phones), ['https://scan.example', '']);
});

test('else it is the listener that phones do not trust, and that is said', async (context) => {
  const [url, said] = await told(context, `${desk}listen: { publicPort: 8442 }\n`);
  assert.equal(url, 'https://desk.example:8442');
  assert.match(said as string, /phones do not know the fleet's root/);
});

test('where nothing says it, or something wrong, it is asked for', async (context) => {
  for (const yaml of [undefined, `${desk}listen: {}\n`])
    await assert.rejects(told(context, yaml), { code: 'usage', message: /say it with --url/ });
  for (const url of ['scan.example', 'ftp://scan.example', 'https://scan.example/?x', 'https://scan.example/#x'])
    await assert.rejects(told(context, undefined, url), { code: 'usage', message: /is not where a desk is/ });
});
