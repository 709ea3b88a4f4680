/** The pages of docs/operating, each procedure as whoever needs it does it: from the first line to the last. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { asNewcomer, blocksOf } from '../newcomer.ts';
import { root, textOf, trackedFiles } from '../tree.ts';

/** Pages whose blocks need more than an empty folder, and what runs them. */
const runElsewhere: Record<string, string> = {
  'docs/operating/behind-a-proxy.md': 'test/conformance/proxies.ts',
  'docs/operating/containers.md': 'test/conformance/containers.ts',
  'docs/operating/keys.md': 'test/conformance/keys.ts',
  'docs/operating/network.md': 'test/conformance/network.ts',
  'docs/operating/postgresql.md': 'test/conformance/postgres.ts',
  'docs/operating/sinks.md': 'test/conformance/postgres-sink.ts',
  'docs/operating/signals.md': 'test/conformance/monitoring.ts',
  'docs/operating/services.md': 'test/conformance/services.ts',
};

const operating = trackedFiles().filter((path) => /^docs\/operating\/.*\.md$/.test(path));

for (const page of operating.filter((path) => runElsewhere[path] === undefined && blocksOf(path).length > 0)) {
  test(`${page} works from its first line to its last`, () =>
    asNewcomer((newcomer) => newcomer.follow(blocksOf(page))));
}

test('a page of docs/operating that is not run here is run by what is named', () => {
  for (const [page, runner] of Object.entries(runElsewhere)) {
    assert.ok(existsSync(join(root, page)), page);
    assert.ok(textOf(runner).includes(page), `${runner} runs ${page}`);
  }
});
