import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { Sources } from './sources.ts';
import { isSigned, readWebhookHeaders } from './webhook-signature.ts';

const key = Buffer.alloc(32, 7);
const secret = `whsec_${key.toString('base64')}`;
const other = `whsec_${Buffer.alloc(24, 9).toString('base64')}`;
const token = 'abcDEF012-._~+/=';
const hashOf = (text: string) => createHash('sha256').update(text).digest('hex');

const nowMs = 1_795_773_600_000;
const body = Buffer.from('{"id":"é","n":1.0}');

function opened(
  context: TestContext,
  { files = {}, from = [] as string[] }: { files?: Record<string, string>; from?: string[] } = {},
) {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-sources-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const all = { 'door.key': secret, 'probe.token': `${hashOf(token)}  -\n`, ...files };
  for (const [name, text] of Object.entries(all)) writeFileSync(join(directory, name), text, { mode: 0o600 });
  const time = { ms: 0 };
  const system = { now: () => nowMs + time.ms, monotonic: () => time.ms };
  const open = () =>
    new Sources({
      directory,
      system,
      signals: {
        plant: { certificate: 'alertmanager-1', format: 'alertmanager', from: [] },
        door: { hmac: 'door.key', format: 'json', from },
        probe: { bearer: 'probe.token', format: 'alertmanager', from },
      },
    });
  return { directory, open, time };
}

/** As the sender's own library signs it. */
function signed(text = body.toString(), { id = 'msg_1', atMs = nowMs, by = secret } = {}) {
  const webhook = new Webhook(by);
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(atMs / 1000)),
    'webhook-signature': webhook.sign(id, new Date(atMs), text),
  };
}

const unproven = (message: RegExp) => ({ code: 'signal_unproven', message });

test('a certificate proves the source that names its subject, and no other', (context) => {
  const sources = opened(context).open();
  assert.equal(sources.requireCertificate('plant', 'alertmanager-1').format, 'alertmanager');
  assert.equal(sources.hasOpenOnes, true);
  for (const [name, subject] of [
    ['plant', 'alertmanager-2'],
    ['door', 'alertmanager-1'],
    ['nobody', 'alertmanager-1'],
  ] as const)
    assert.throws(() => sources.requireCertificate(name, subject), unproven(/no source/));
  assert.throws(
    () => sources.requireAdmitted('plant', '127.0.0.1', { authorization: `Bearer ${token}` }),
    unproven(/./),
  );
});

test('what the sender’s own library signs is taken, over the very bytes', (context) => {
  const sources = opened(context).open();
  const headers = signed();
  const source = sources.requireAdmitted('door', '127.0.0.1', headers);
  assert.equal(source.bodyBytesMax, 1024 * 1024);
  sources.requireSigned(source, headers, body);
  assert.throws(
    () => sources.requireSigned(source, headers, Buffer.from('{"id":"é","n":1}')),
    unproven(/does not fit/),
  );
  assert.throws(
    () => sources.requireSigned(source, { ...headers, 'webhook-id': 'msg_2' }, body),
    unproven(/does not fit/),
  );
});

test('forged, unsigned, old and early messages are refused, each in words of its own', (context) => {
  const sources = opened(context).open();
  const rows: [object, RegExp][] = [
    [{}, /must each be there once/],
    [{ ...signed(), 'webhook-signature': undefined }, /must each be there once/],
    [{ ...signed(), 'webhook-id': ['a', 'b'] }, /must each be there once/],
    [{ ...signed(), 'webhook-timestamp': '1e9' }, /whole seconds/],
    [{ ...signed(), 'webhook-timestamp': '0x10' }, /whole seconds/],
    [{ ...signed(), 'webhook-id': 'a b' }, /printable/],
    [signed(undefined, { atMs: nowMs - 301_000 }), /301 s old; 300 s are allowed/],
    [signed(undefined, { atMs: nowMs + 301_000 }), /301 s ahead; 300 s are allowed/],
  ];
  for (const [headers, why] of rows)
    assert.throws(() => sources.requireAdmitted('door', '127.0.0.1', headers as never), unproven(why));
  for (const atMs of [nowMs - 300_000, nowMs + 300_000]) {
    const headers = signed(undefined, { atMs });
    sources.requireSigned(sources.requireAdmitted('door', '127.0.0.1', headers), headers, body);
  }
  const source = sources.requireAdmitted('door', '127.0.0.1', signed());
  for (const signature of ['', 'v1,', 'v1a,AAAA', 'v2,AAAA', signed(undefined, { by: other })['webhook-signature']]) {
    const headers = { ...signed(), 'webhook-signature': signature };
    assert.throws(() => sources.requireSigned(source, headers, body), unproven(/does not fit/));
  }
});

test('in a rotation both keys count, whichever of them signed, among signatures of other schemes', (context) => {
  const sources = opened(context, { files: { 'door.key': `${other}\n${secret}\n` } }).open();
  for (const by of [secret, other]) {
    const own = signed(undefined, { by });
    const headers = { ...own, 'webhook-signature': `v1a,AAAA v1,AAAA ${own['webhook-signature']}` };
    sources.requireSigned(sources.requireAdmitted('door', '127.0.0.1', headers), headers, body);
  }
});

test('ours and the sender’s library agree on what is signed, over random bodies, ids and keys', () => {
  for (let round = 0; round < 200; round++) {
    const text = `{"${'é€'.repeat(round % 5)}":${round}}`;
    const by = `whsec_${Buffer.alloc(24 + (round % 41), round + 1).toString('base64')}`;
    const id = `msg_${round}`;
    const theirs = new Webhook(by).sign(id, new Date(nowMs), text);
    const raw = Buffer.from(by.slice('whsec_'.length), 'base64');
    const ours = createHmac('sha256', raw)
      .update(`${id}.${nowMs / 1000}.${text}`)
      .digest('base64');
    assert.equal(theirs, `v1,${ours}`);
  }
});

test('ours and the sender’s library agree on what is proven: right, forged, changed on the way, old, and signed by several keys', () => {
  const theirs = new Webhook(secret);
  const nowSeconds = Math.floor(Date.now() / 1000);
  const text = fc.constantFrom('{}', '{"a":1}', '{"a":1} ', '{"é":"€"}');
  const sent = fc.record({
    ...{ id: fc.constantFrom('msg_1', 'msg_2'), asId: fc.constantFrom('msg_1', 'msg_2') },
    ...{ signed: text, came: text, by: fc.constantFrom(secret, other) },
    ageSeconds: fc.constantFrom(0, 0, 250, -250, 400, -400),
    more: fc.array(fc.constantFrom('v1,AAAA', 'v2,x', 'v1a,AAAA', `v1,${Buffer.alloc(32).toString('base64')}`), {
      maxLength: 2,
    }),
  });
  const proven = (headers: Record<string, string>, came: string) => {
    const message = readWebhookHeaders(headers, nowSeconds);
    return !('refused' in message) && isSigned(message, Buffer.from(came), [key]);
  };
  const verified = (headers: Record<string, string>, came: string) => {
    try {
      theirs.verify(came, headers);
      return true;
    } catch {
      return false;
    }
  };
  const outcomes = new Set<boolean>();
  fc.assert(
    fc.property(sent, ({ id, asId, signed: said, came, by, ageSeconds, more }) => {
      const at = nowSeconds - ageSeconds;
      const signature = new Webhook(by).sign(id, new Date(at * 1000), said);
      const headers = {
        ...{ 'webhook-id': asId, 'webhook-timestamp': String(at) },
        'webhook-signature': [...more, signature].join(' '),
      };
      outcomes.add(proven(headers, came));
      assert.equal(proven(headers, came), verified(headers, came));
    }),
    { numRuns: 1_000 },
  );
  assert.deepEqual([...outcomes].toSorted(), [false, true]);
});

test('a token is known by its hash, and by nothing else', (context) => {
  const sources = opened(context).open();
  assert.equal(sources.requireAdmitted('probe', '127.0.0.1', { authorization: `Bearer ${token}` }).name, 'probe');
  assert.equal(sources.requireAdmitted('probe', '::1', { authorization: `bearer  ${token}` }).name, 'probe');
  for (const authorization of [
    undefined,
    '',
    'Bearer',
    `Bearer ${token}x`,
    `Basic ${token}`,
    `Bearer ${hashOf(token)}`,
    ['a', 'b'],
  ])
    assert.throws(() => sources.requireAdmitted('probe', '127.0.0.1', { authorization }), unproven(/with this token/));
});

test('a source sends from its own addresses alone: of this machine where none are named', (context) => {
  const own = opened(context).open();
  const headers = { authorization: `Bearer ${token}` };
  for (const from of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'])
    assert.equal(own.requireAdmitted('probe', from, headers).name, 'probe');
  for (const from of ['192.0.2.7', '::2', '', 'x'])
    assert.throws(() => own.requireAdmitted('probe', from, headers), unproven(/sends from/));
  const named = opened(context, { from: ['192.0.2.0/24', '2001:db8::/32', '198.51.100.7'] }).open();
  for (const from of ['192.0.2.7', '::ffff:192.0.2.9', '2001:db8:1::9', '198.51.100.7', '2001:db8::1%eth0'])
    assert.equal(named.requireAdmitted('probe', from, headers).name, 'probe');
  for (const from of ['127.0.0.1', '::1', '192.0.3.1', '198.51.100.8'])
    assert.throws(() => named.requireAdmitted('probe', from, headers), unproven(/sends from/));
});

test('a secret that is replaced counts within a second; one that is half written cuts nobody off', (context) => {
  const { directory, open, time } = opened(context);
  const sources = open();
  const admits = (text: string) => {
    try {
      return sources.requireAdmitted('probe', '127.0.0.1', { authorization: `Bearer ${text}` }) !== undefined;
    } catch {
      return false;
    }
  };
  const put = (text: string) => {
    writeFileSync(join(directory, 'new'), text, { mode: 0o600 });
    renameSync(join(directory, 'new'), join(directory, 'probe.token'));
  };
  put('half of a li');
  time.ms += 1_000;
  assert.equal(admits(token), true);
  put(hashOf('next'));
  assert.deepEqual([admits(token), admits('next')], [true, false]);
  time.ms += 1_000;
  assert.deepEqual([admits(token), admits('next')], [false, true]);
});

test('a file that holds no secrets, or shows them to others, is named when the authority starts', (context) => {
  const rows: [string, RegExp][] = [
    ['', /door\.key: it is empty; each of its lines must be "whsec_"/],
    ['plain text', /door\.key:1: must be "whsec_" and 24 to 64 bytes/],
    [`${secret}\nwhsec_AAAA`, /door\.key:2: must be/],
  ];
  for (const [text, why] of rows)
    assert.throws(opened(context, { files: { 'door.key': text } }).open, { code: 'config_invalid', message: why });
  const { directory, open } = opened(context);
  chmodSync(join(directory, 'door.key'), 0o640);
  assert.throws(open, { code: 'config_invalid', message: /has mode 640; it must be 600/ });
  rmSync(join(directory, 'door.key'));
  assert.throws(open, { code: 'config_invalid', message: /can not be read \(ENOENT\)/ });
});
