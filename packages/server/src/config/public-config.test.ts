import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadDeskConfig } from './config.ts';

const head = 'authority: https://authority.example:8440\nurl: https://desk.example:8441\nlisten: {}\n';

for (const [what, text, words] of [
  [
    'a certificate without its key',
    'url: https://box.example, port: 443, certificate: a.pem',
    /"certificate" and "key" go together/,
  ],
  [
    'a key without its certificate',
    'url: https://box.example, port: 443, key: a.pem',
    /"certificate" and "key" go together/,
  ],
  [
    'no certificate at an address that others reach',
    'url: https://box.example, port: 80, host: 0.0.0.0',
    /must be an address of this machine/,
  ],
  ['an address without https', 'url: "http://box.example", port: 80', /https address/],
  ['an address with a path', 'url: https://box.example/track, port: 80', /no path/],
  ['no port', 'url: https://box.example', /port/],
  ['a key that there is not', 'url: https://box.example, port: 80, cert: a.pem', /key "public.cert" is unknown/],
] as const) {
  test(`"public" of desk.yaml is refused with ${what}`, (context) => {
    const directory = mkdtempSync(join(tmpdir(), 'portcullis-config-'));
    context.after(() => rmSync(directory, { recursive: true, force: true }));
    writeFileSync(join(directory, 'desk.yaml'), `${head}public: { ${text} }\n`);
    assert.throws(() => loadDeskConfig(directory), { code: 'config_invalid', message: words });
  });
}

test('its files are named from where desk.yaml lies; without them it is for a proxy on this machine', (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-config-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const load = (text: string) => {
    writeFileSync(join(directory, 'desk.yaml'), `${head}public: { url: https://box.example, port: 8442${text} }\n`);
    return loadDeskConfig(directory).public;
  };
  const { certificate, key } = load(', certificate: tls/fullchain.pem, key: /etc/key.pem, host: 0.0.0.0') ?? {};
  assert.deepEqual([certificate, key], [join(directory, 'tls/fullchain.pem'), '/etc/key.pem']);
  const { host, certificate: none } = load('') ?? {};
  assert.deepEqual([host, none], ['127.0.0.1', undefined]);
});
