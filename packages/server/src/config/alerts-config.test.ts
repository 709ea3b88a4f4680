import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadFleetConfig, readTextFile } from './config.ts';

const fleet = `fleet: fleet-1
hosts: [localhost]
listen: {}
authorityUrl: https://localhost:8440
enrolmentUrl: https://localhost:8441
`;

const whole = `alerts:
  targets:
    duty:
      webhook: https://hooks.example/portcullis
      secrets: [duty.secret]
      groupWait: 10s
    mail:
      email: { server: smtps://mail.example, from: fleet@example.com, recipients: [duty@example.com], user: fleet, password: mail.password }
      settled: false
    am: { alertmanager: http://127.0.0.1:9093, allowPrivate: true, repeatInterval: 2m }
    pager: { command: [/usr/local/bin/page, --loud] }
  routes:
    - { kinds: [breach, silence], subjects: ['truck-*'], to: [duty, mail] }
    - { to: [am] }
  expiring: 14d
`;

function load(context: TestContext, text: string) {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-config-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, 'fleet.yaml'), fleet + text);
  return loadFleetConfig(directory).alerts;
}

test('targets of each kind and routes are read, with what is usual', (context) => {
  const { targets, routes, expiring, refusals } = load(context, whole);
  const { duty, mail, am, pager } = targets;
  assert.deepEqual(
    [duty?.groupWait, duty?.allowPrivate, duty?.settled, duty?.repeatInterval],
    [10_000, false, true, undefined],
  );
  assert.deepEqual([mail?.settled, mail?.groupWait, mail?.email?.user], [false, 5_000, 'fleet']);
  assert.deepEqual([am?.alertmanager, am?.repeatInterval], ['http://127.0.0.1:9093', 120_000]);
  assert.deepEqual(pager?.command, ['/usr/local/bin/page', '--loud']);
  assert.equal(routes?.length, 2);
  assert.deepEqual([expiring, refusals], [14 * 86_400_000, { perMinute: 30 }]);
});

test('without the section nobody is told', (context) => {
  assert.deepEqual(load(context, '').targets, {});
});

const refused: [what: string, change: [string, string], line: number, why: RegExp][] = [
  [
    'a key that is unknown',
    ['secrets:', 'secret:'],
    10,
    /"alerts\.targets\.duty\.secret" is unknown; did you mean "secrets"/,
  ],
  [
    'a target that does not exist',
    ['[duty, mail]', '[duty, nobody]'],
    18,
    /there is no target "nobody"; there are \[duty, mail, am, pager\]/,
  ],
  [
    'a kind that does not exist',
    ['silence', 'quiet'],
    18,
    /"quiet" is unknown; must be one of \[out_of_sequence, breach/,
  ],
  [
    'a target without a kind',
    ['webhook: https://hooks.example/portcullis', 'settled: true'],
    9,
    /must have one of \[webhook, email, alertmanager, command\]/,
  ],
  ['a target of two kinds', ['settled: false', 'command: [/bin/true]'], 14, /must have one of .*, and no second/],
  ['a webhook without a secret', ['      secrets: [duty.secret]\n', ''], 9, /needs "secrets": what it sends is signed/],
  [
    'a key of another kind',
    ['[/usr/local/bin/page, --loud]', '[/bin/true], secrets: [a]'],
    16,
    /is a key of \[webhook\], not of command/,
  ],
  ['plain http to the Internet', ['https://hooks', 'http://hooks'], 9, /must be https, unless "allowPrivate" is true/],
  ['a secret in an address', ['https://hooks', 'https://user:secret@hooks'], 9, /must have no user and no password/],
  [
    'an address of another scheme',
    ['smtps://', 'ftp://'],
    13,
    /must be an address that begins with smtps:\/\/ or smtp:\/\//,
  ],
  ['a program by its name alone', ['/usr/local/bin/page', 'page'], 16, /must begin with an absolute path/],
  ['a user without a password', [', password: mail.password', ''], 13, /"user" and "password" come together/],
  ['a recipient that is none', ['[duty@example.com]', '["duty@example.com, x@y.z"]'], 13, /recipients/],
  ['a duration that is none', ['10s', '10x'], 11, /must be a duration like 90s/],
  ['a duration that is too long', ['10s', '2d'], 11, /must be from 1s to 1h/],
];
for (const [what, [from, to], line, why] of refused) {
  test(`${what} is refused with its line`, (context) => {
    assert.ok(whole.includes(from));
    assert.throws(
      () => load(context, whole.replace(from, to)),
      (error: Error & { code: string }) => {
        assert.equal(error.code, 'config_invalid');
        assert.match(error.message, why);
        assert.match(error.message, new RegExp(`fleet\\.yaml:${line}: `));
        return true;
      },
    );
  });
}

test('a file with a secret is its owner’s alone, and holds something', (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-config-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const file = (name: string, text: string, mode: number) => {
    writeFileSync(join(directory, name), text, { mode });
    return join(directory, name);
  };
  assert.equal(readTextFile(file('a', 'whsec_x\n', 0o600), true), 'whsec_x');
  assert.throws(() => readTextFile(file('b', 'x', 0o644), true), {
    code: 'config_invalid',
    message: /its mode must be 600/,
  });
  assert.equal(readTextFile(file('c', 'x', 0o644), false), 'x');
  assert.throws(() => readTextFile(file('d', '\n', 0o600), true), { code: 'config_invalid', message: /it is empty/ });
  assert.throws(() => readTextFile(join(directory, 'none'), true), {
    code: 'config_invalid',
    message: /does not exist/,
  });
});
