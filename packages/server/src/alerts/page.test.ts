/** docs/operating/alerts.md says what is so. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { alertKinds } from '@portcullis/contract';
import { patienceMs } from '../../../../test/patience.ts';
import { textOf } from '../../../../test/tree.ts';
import { freeBasePort } from '../../../../tools/commands.ts';
import { alertMessage, webhookSecret, within } from '../../test/alert-message.ts';
import { webhook } from './targets/webhook.ts';

const page = textOf('docs/operating/alerts.md');

test('the page on alerts has each kind, with its severity and what it is, and no other', () => {
  const rows = [...page.matchAll(/^\| `(\w+)` \| (warning|critical) \| (.*?) \| (.*) \|$/gm)];
  const shown = rows.map(([, kind, severity, , over]) => [kind, severity, over !== 'it is one moment']);
  const kinds = Object.entries(alertKinds).map(([kind, { severity, lasts }]) => [kind, severity, lasts]);
  assert.deepEqual(shown.toSorted(), kinds.toSorted());
  for (const [, kind = '', , when = ''] of rows) {
    const { title } = alertKinds[kind as keyof typeof alertKinds];
    assert.ok(when.startsWith(title), `${kind}: "${when}" begins with "${title}"`);
  }
});

test('the receiver on the page takes what is signed by its secret, once, and nothing else', async (context) => {
  const home = mkdtempSync(join(tmpdir(), 'portcullis-receiver-'));
  const secret = webhookSecret();
  writeFileSync(join(home, 'receiver.secret'), `${secret}\n`);
  const [, script = ''] = /receiver\.mjs <<'END'\n([\s\S]*?)\nEND\n/.exec(page) ?? [];
  const port = String(await freeBasePort());
  writeFileSync(join(home, 'receiver.mjs'), script.replaceAll('9099', port));
  const receiver = spawn(process.execPath, ['receiver.mjs'], { cwd: home, stdio: ['ignore', 'pipe', 'inherit'] });
  context.after(() => {
    receiver.kill();
    rmSync(home, { recursive: true, force: true });
  });
  const lines = createInterface({ input: receiver.stdout })[Symbol.asyncIterator]();
  const line = async () => String((await lines.next()).value);
  assert.equal(await line(), `listening on ${port}`);
  const url = new URL(`http://127.0.0.1:${port}/`);
  const told = (secrets: string[], now = Date.now()) =>
    webhook({ fleet: 'fleet-1', url, allowPrivate: true, secrets: () => secrets, now: () => now });
  const tell = (target: ReturnType<typeof told>, id: string) => target.tell(alertMessage({ id }), within(patienceMs));
  await tell(told([webhookSecret(), secret]), 'one');
  await tell(told([secret]), 'one');
  await assert.rejects(tell(told([webhookSecret()]), 'two'), { message: 'it answered 401' });
  await assert.rejects(tell(told([secret], Date.now() - 600_000), 'two'), { message: 'it answered 401' });
  await tell(told([secret]), 'three');
  const said = 'portcullis.alert.breach raised: load-1 was warm for 12 minutes';
  assert.deepEqual([await line(), await line()], [said, said]);
});
