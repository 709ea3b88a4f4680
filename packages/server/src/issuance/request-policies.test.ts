import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { test } from 'node:test';
import type { AttributeValue } from '@portcullis/contract';
import { makeKey, makeRequest } from '@portcullis/device';
import { requestWith, skip } from '../../test/openssl-requests.ts';
import { keyNameOf, type PolicyTexts, RequestPolicies, tryPolicy } from './request-policies.ts';

const day = 86_400_000;

function saidBy(policy: string, request: Buffer, values: Record<string, AttributeValue> = {}) {
  const asking = { way: 'token', est: false, attributes: async () => new Map(Object.entries(values)) } as const;
  return tryPolicy({ device: { policy } }, { subject: 'truck-1', kind: 'device', request, asking, validMs: 30 * day });
}

test('a policy sees the key, the names that the request asks for, and how long the certificate would be valid', {
  skip,
}, async () => {
  const extensions = ['subjectAltName=DNS:truck-1.example,IP:192.0.2.7,email:a@example.org,URI:urn:x:1,RID:1.2.3'];
  const { seen } = await saidBy(
    'true',
    requestWith({ subject: '/O=Maker/CN=truck-1/CN=two', algorithm: 'P-384', extensions }),
  );
  assert.deepEqual(seen, {
    subject: { id: 'truck-1', kind: 'device' },
    request: {
      ...{ way: 'token', est: false, key: 'p-384', validSeconds: 30 * 86_400 },
      names: ['truck-1', 'two', 'truck-1.example', '192.0.2.7', 'a@example.org', 'urn:x:1', '?'],
    },
  });
});

const own = makeRequest(makeKey(), 'truck-1');
const answers: [policy: string, why: RegExp | undefined, values?: Record<string, AttributeValue>][] = [
  ['request.key in ["p-256", "ml-dsa-44"]', undefined],
  ['request.key.startsWith("rsa-")', /^it is false$/],
  ['request.names.all(name, name == subject.id)', undefined],
  ['request.validSeconds > 86400.0 * 31.0', /^it is false$/],
  ['attributes.site == "kiel"', undefined, { site: 'kiel' }],
  ['attributes.site == "kiel"', /^it is false$/, { site: 'berlin' }],
  // What can not be evaluated allows nothing.
  ['attributes.site == "kiel"', /^it can not be evaluated: /],
  ['!(attributes.site == "kiel")', /^it can not be evaluated: /],
  ['attributes.level < 3.0', /^it can not be evaluated: /, { level: 'high' }],
  ['request.names[7] != "x"', /^it can not be evaluated: /],
];
for (const [policy, why, values] of answers) {
  test(`${policy} of ${JSON.stringify(values ?? {})}: ${why ?? 'allowed'}`, async () => {
    const said = await saidBy(policy, own, values);
    if (why) assert.match(said.why ?? '', why);
    else assert.equal(said.why, undefined);
  });
}

test('attributes are looked at only where a policy names one', async () => {
  const asking = { way: 'token', est: false, attributes: () => Promise.reject(new Error('looked at')) } as const;
  const asked = { subject: 'a', kind: 'device', request: own, asking, validMs: day } as const;
  await tryPolicy({ device: { policy: 'request.way == "token"' } }, asked);
  await assert.rejects(tryPolicy({ device: { policy: 'has(attributes.x)' } }, asked), /looked at/);
});

const impossible: [string, RegExp][] = [
  ['request.key == "p-256" &&', /fleet\.yaml: profiles\.device\.policy: .*1:25|expecting/],
  ['request.kye == "p-256"', /a request has \[way, key, est, names, validSeconds\]/],
  ['request.validSeconds + 1 > 3', /write 1\.0 for 1/],
  ['reading.t > 1.0', /"reading" is unknown; an expression sees \[subject, request, attributes\]/],
  ['request.names.all(a, request.names.all(b, a == b))', /a loop within a loop/],
  ['subject.id.matches("(a+)+$")', /"matches" is not offered/],
  ['request.key', /can never give a boolean/],
  // What is never equal says the same to everybody.
  ['request.key == 5', /"request\.key == 5" can never be right: string is compared with int, and never equal/],
  ['request.est != "true"', /bool is compared with string/],
  ['request.way == "token" || request.validSeconds == "86400"', /double is compared with string/],
  ['request.key in [256, 384]', /string is compared with int/],
  ['attributes.site == null', /string or double or bool is compared with null/],
];
for (const [policy, message] of impossible) {
  test(`"${policy}" is refused before anything is asked of it`, () => {
    const profiles: PolicyTexts = { device: { policy } };
    assert.throws(() => new RequestPolicies(profiles), { code: 'config_invalid', message });
  });
}

test('keys have the names of the fleet’s own algorithms, and others are named alike', () => {
  const keyOf = (type: string, options: object) =>
    (generateKeyPairSync as (type: string, options: object) => { publicKey: KeyObject })(type, options).publicKey;
  assert.deepEqual(
    [
      keyNameOf(keyOf('ec', { namedCurve: 'prime256v1' })),
      keyNameOf(keyOf('ec', { namedCurve: 'secp384r1' })),
      keyNameOf(keyOf('ed25519', {})),
      keyNameOf(keyOf('rsa', { modulusLength: 2_048 })),
      keyNameOf(keyOf('ml-dsa-65', {})),
    ],
    ['p-256', 'p-384', 'ed25519', 'rsa-2048', 'ml-dsa-65'],
  );
});

test('P13: the longest request takes a bounded time, however a loop looks at its names', { skip }, async () => {
  const names = Array.from({ length: 1_100 }, (_, index) => `DNS:n${index}.x`).join(',');
  const request = requestWith({ extensions: [`subjectAltName=${names}`] });
  assert.ok(request.length > 8_000, `${request.length}`);
  const before = process.threadCpuUsage();
  await saidBy('request.names.all(name, name.size() < 99 && name != subject.id)', request);
  const { user, system } = process.threadCpuUsage(before);
  assert.ok(user + system < 1_000_000, `${user + system} µs of this thread`);
});
