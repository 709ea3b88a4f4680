/** Whoever reads what is exported, at any moment, has lists and issuers of one generation. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { IssuerList } from '@portcullis/contract';
import { realSystem } from '../telemetry/telemetry.ts';
import { exportLists } from './list-export.ts';

function directoryOf(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-export-'));
  context.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

/** Of each issuer bytes that say which generation they are of. */
function itemsOf(generation: number, issuers = 3): IssuerList[] {
  const der = Buffer.from(String(generation).padStart(6, '0')).toString('base64');
  const time = new Date(generation * 1_000).toISOString();
  return Array.from({ length: issuers }, (_, index) => ({
    ...{ issuer: `issuer-${index}`, name: `issuer ${index}`, role: 'device' as const, certificate: der },
    list: { number: generation + 1, thisUpdate: time, nextUpdate: time, entries: 0, der },
  })) as IssuerList[];
}

const generationsIn = (text: string) => new Set(text.split('\n').filter((line) => /^[A-Za-z0-9+/=]+$/.test(line)));

test('a reader never sees a list of one generation beside an issuer of another', async (context) => {
  const directory = directoryOf(context);
  await exportLists(directory, itemsOf(0), realSystem);
  let [over, reads, last] = [false, 0, ''];
  const reader = async () => {
    while (!over) {
      const generation = realpathSync(join(directory, 'current'));
      const texts = ['issuers.pem', 'lists.pem'].map((file) => readFileSync(join(generation, file), 'utf8'));
      const seen = generationsIn(texts.join(''));
      assert.equal(seen.size, 1, [...seen].join());
      if (seen.values().next().value !== last) reads++;
      last = [...seen][0] as string;
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const reading = reader();
  for (let generation = 1; generation <= 15; generation++) {
    const { changed } = await exportLists(directory, itemsOf(generation), realSystem);
    assert.equal(changed, true);
  }
  over = true;
  await reading;
  context.diagnostic(`${reads} generations were read while 15 were written`);
  assert.ok(reads > 1);
  assert.ok(readdirSync(directory).filter((name) => name.startsWith('generation-')).length <= 3);
});

test('what did not change stays as it is, and says so; two at once leave one whole', async (context) => {
  // What one of them makes is gone, or another's, while the other looks.
  for (let time = 0; time < 100; time++) await twoAtOnce(directoryOf(context));
});

async function twoAtOnce(directory: string): Promise<void> {
  // As an earlier version left it.
  writeFileSync(join(directory, 'lists.pem'), 'old');
  const [one, other] = await Promise.all([
    exportLists(directory, itemsOf(1), realSystem),
    exportLists(directory, itemsOf(1), realSystem),
  ]);
  assert.equal(one.lists, other.lists);
  assert.equal(readFileSync(join(directory, 'lists.pem'), 'utf8'), readFileSync(one.lists, 'utf8'));
  assert.equal((await exportLists(directory, itemsOf(1), realSystem)).changed, false);
  assert.equal(readdirSync(directory).length, 4, 'a generation, its link, and two more names');
}

test('where one list is missing nothing is written', async (context) => {
  const directory = directoryOf(context);
  const [first, ...others] = itemsOf(1) as [IssuerList, ...IssuerList[]];
  await assert.rejects(exportLists(directory, [{ ...first, list: null }, ...others], realSystem), {
    code: 'server_unreachable',
    message: /issuer-0/,
  });
  assert.deepEqual(readdirSync(directory), []);
});
