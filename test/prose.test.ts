/** The blocks of the pages, run one after another as a newcomer would. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { freeBasePort } from '../tools/commands.ts';
import { asNewcomer, blocksOf } from './newcomer.ts';
import { root, textOf, trackedFiles } from './tree.ts';

const hasMosquitto = process.env.CI === 'true' || spawnSync('mosquitto_pub', ['-h']).error === undefined;

test('TypeScript that a page runs is run by the Node of npm ci, whatever else the machine has', () => {
  const lines = trackedFiles()
    .filter((path) => path.endsWith('.md'))
    .flatMap((path) =>
      textOf(path)
        .split('\n')
        .map((line) => `${path}: ${line}`),
    );
  assert.deepEqual(
    lines.filter((line) => /(?<!npx )\bnode (?:--\S+ )*[\w./-]+\.ts\b/.test(line)),
    [],
  );
});

const hasCurl =
  process.env.CI === 'true' || ['curl', 'openssl'].every((one) => spawnSync(one, ['version']).error === undefined);

/** Each in a folder of its own, side by side: most of the time each waits for a process to start. */
describe('prose', { concurrency: true }, () => {
  test('the tour of docs/start.md works by copy and paste', () =>
    asNewcomer((newcomer) => newcomer.follow(blocksOf('docs/start.md'))));

  test('the way of a shipment in docs/start-shipment.md works by copy and paste', () =>
    asNewcomer((newcomer) => newcomer.follow(blocksOf('docs/start-shipment.md'))));

  test('a sensor without X.509 sends and is cut by copy and paste of docs/concepts/low-power.md', () =>
    asNewcomer((newcomer) => newcomer.follow(blocksOf('docs/concepts/low-power.md'))));

  test('mosquitto_pub and mqtt.js send and are cut by copy and paste of docs/start-mqtt.md', async (context) => {
    if (!hasMosquitto) return context.skip('needs mosquitto_pub (Debian: mosquitto-clients)');
    await asNewcomer((newcomer) => newcomer.follow(blocksOf('docs/start-mqtt.md')));
  });

  test('a device enrols, renews, sends and is cut by curl and openssl alone, by copy and paste of docs/start-est.md', async (context) => {
    if (!hasCurl) return context.skip('needs curl and openssl');
    await asNewcomer((newcomer) => newcomer.follow(blocksOf('docs/start-est.md')));
  });

  test('a device seals, a gateway carries, either is cut by copy and paste of docs/concepts/gateways.md', () =>
    asNewcomer((newcomer) => newcomer.follow(blocksOf('docs/concepts/gateways.md'))));

  test('the policy on the page about expectations is one that a gate takes', async () => {
    await asNewcomer(async (newcomer) => {
      await newcomer.run({ text: 'portcullis init', how: '' });
      const text = textOf('docs/concepts/expectations.md');
      const [streams, expected] = ['yaml', 'json'].map(
        (kind) => text.split(`\`\`\`${kind}\n`)[1]?.split('```')[0] ?? '',
      );
      newcomer.write('fleet/gate.yaml', (yaml) => yaml.slice(0, yaml.indexOf('streams:')) + streams);
      newcomer.write('fleet/expected.ndjson', () => expected ?? '');
      newcomer.write('fleet/cold-chain.schema.json', () => '{"properties":{"temperature":{"type":"number"}}}');
      await newcomer.run({ text: 'portcullis config check', how: '' });
    });
  });

  test('the signals and the stream on the page about attributes are ones that authority and gate take', async () => {
    await asNewcomer(async (newcomer) => {
      await newcomer.run({ text: 'portcullis init', how: '' });
      const blocks = textOf('docs/concepts/attributes.md').split('```yaml\n').slice(1);
      const [signals = '', streams = ''] = blocks.map((text) => text.split('```')[0] ?? '');
      newcomer.write('fleet/fleet.yaml', (yaml) => yaml + signals);
      newcomer.write('fleet/gate.yaml', (yaml) => yaml.slice(0, yaml.indexOf('streams:')) + streams);
      await newcomer.run({ text: 'portcullis config check', how: '' });
    });
  });

  test('the profiles on the page about certificates are ones that an authority takes, and the policy says what the page says', async () => {
    await asNewcomer(async (newcomer) => {
      const page = 'docs/concepts/certificates.md';
      await newcomer.run({ text: 'portcullis init', how: '' });
      const blocks = textOf(page).split('```yaml\n').slice(1);
      const [keys = '', windows = '', policy = ''] = blocks.map((text) => text.split('```')[0] ?? '');
      let made = '';
      newcomer.write('fleet/fleet.yaml', (yaml) => {
        made = yaml;
        return yaml + keys;
      });
      for (const profiles of [windows, policy]) {
        await newcomer.run({ text: 'portcullis config check', how: '' });
        newcomer.write('fleet/fleet.yaml', () => made + profiles);
      }
      await newcomer.follow(blocksOf(page, '## Who gets one at all').slice(0, 2));
    });
  });

  test('the rule on the page about rules is one that an authority takes, and what the page asks of it is answered', async () => {
    await asNewcomer(async (newcomer) => {
      const page = 'docs/concepts/rules.md';
      const [init, ...rest] = blocksOf(page);
      await newcomer.follow(init ? [init] : []);
      const rule = textOf(page).split('```yaml\n')[1]?.split('```')[0] ?? '';
      await newcomer.run({ text: 'mkdir fleet/rules', how: '' });
      newcomer.write('fleet/rules/cold-chain.yaml', () => rule);
      await newcomer.run({ text: 'portcullis rule check fleet/rules/cold-chain.yaml', how: '' });
      await newcomer.run({ text: 'portcullis config check', how: '' });
      await newcomer.follow(rest);
    });
  });

  test('what the README prints works in the order in which it prints it: npm start, what that says, and the tour while it runs', async () => {
    await asNewcomer(async (newcomer) => {
      const start = `${process.execPath} ${join(root, 'tools/start.ts')} --base-port ${await freeBasePort()}`;
      const said = await newcomer.starts(start, /admitted/, 1);
      const tries = said.filter((line) => line.startsWith('  npx portcullis '));
      assert.equal(tries.length, 3);
      for (const text of tries) await newcomer.run({ text, how: '' });
      await newcomer.follow(blocksOf('README.md', '## The tour'));
    });
  });
});
