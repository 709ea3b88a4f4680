/** What a user sends is what he gets: values through the whole house, from each door to where they are given back or compared. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { AttributeTypeView, Problem } from '@portcullis/contract';
import { Link } from '@portcullis/device';
import { decided, eventually, House, type Pem, post, readingsUrl } from '../../house.ts';
import { Operator } from '../../operator.ts';

let house: House;
let operator: Operator;
let gate: Link;
let pem: Pem;

before(async () => {
  house = await House.open((made) => {
    made.configure(
      'gate.yaml',
      (text) => `${text}  judged:
    when: 'reading.n < 1e300'
  priced:
    schema: priced.json
  sealed:
    expectedFrom: expected.ndjson
`,
    );
    writeFileSync(join(made.fleet, 'priced.json'), '{"properties":{"price":{"multipleOf":0.01}}}');
    const expected = '{"subject":"truck-17","iccid":"8944110068256270054"}\n';
    writeFileSync(join(made.fleet, 'expected.ndjson'), expected, { mode: 0o600 });
  });
  pem = await house.pem(await house.device('truck-17'));
  operator = new Operator(house.fleet);
  const { roots, fleet } = operator.credential;
  gate = new Link({ roots, fleet, role: 'gate', credential: operator.credential });
});
after(async () => {
  gate?.close();
  operator?.close();
  await house.close();
});

/** The text of what the gate gives back. */
async function stored(stream: string): Promise<string> {
  const { status, body } = await gate.request({ url: `${house.gateUrl}/v1/readings?stream=${stream}&limit=1000` });
  assert.equal(status, 200);
  return body.toString('utf8');
}

const kept = [
  '{"n":9007199254740993,"m":12345678901234567890}',
  '{"n":1E+400,"m":-0,"o":1.0,"p":1.10}',
  '{"n":0.1234567890123456789012345,"m":123456789.123456789}',
  '{"b":1,"10":2,"a":3,"9":4}',
  '{"s":"\\u00fc ü \\u0000 \\/ \\ud83d\\ude00 😀"}',
  '{"nested":[{"n":[9007199254740993]},{"__proto__":1}]}',
];

test('readings come back as they were sent, digit for digit, member by member', async () => {
  for (const [index, text] of kept.entries()) {
    const sent = `{ "_id": "k:${index}", ${text.slice(1)}`;
    const answer = await decided(readingsUrl(house), pem, sent);
    assert.equal(answer.status, 202, answer.body);
  }
  await eventually(async () => (await stored('telemetry')).includes(`"k:${kept.length - 1}"`), 'all are readable');
  const text = await stored('telemetry');
  for (const data of kept) assert.ok(text.includes(`"data":${data}`), `${data} in ${text}`);
});

test('a repeat is the same digit for digit, however it is written', async () => {
  const first = '{"_id":"same","n":9007199254740993,"m":1}';
  for (const [body, status] of [
    [first, 202],
    ['{"m":1.0, "n":9007199254740993,"_id":"same"}', 202],
    ['{"_id":"same","n":9007199254740992,"m":1}', 422],
  ] as const) {
    assert.equal((await decided(readingsUrl(house), pem, body)).status, status, body);
  }
});

const refused: [string, string, number, string, RegExp][] = [
  ['a member twice', '{"temperature":1,"temperature":2}', 400, 'reading_malformed', /"temperature"/],
  ['half a character', '{"s":"\\udc00"}', 400, 'reading_malformed', /surrogate/],
  ['an instant beyond all years', '{"_time":"9999-12-31T23:59:59-14:00"}', 422, 'reserved_member_misused', /9999/],
];
for (const [what, body, status, reason, words] of refused) {
  test(`${what} is refused at the door: ${reason}`, async () => {
    const answer = await decided(readingsUrl(house), pem, body);
    const problem = JSON.parse(answer.body) as Problem;
    assert.deepEqual([answer.status, problem.reason], [status, reason], answer.body);
    assert.match(problem.detail ?? '', words);
  });
}

test('what is judged is never rounded: exact, or refused with the number', async () => {
  const answer = await decided(readingsUrl(house, 'judged'), pem, '{"n":9007199254740993}');
  const problem = JSON.parse(answer.body) as Problem;
  assert.deepEqual([answer.status, problem.reason], [422, 'number_inexact']);
  assert.match(problem.detail ?? '', /9007199254740993 would be taken as 9007199254740992; write it as a string/);
  const other = await decided(readingsUrl(house, 'judged'), pem, '{"n":1,"imei":9007199254740993}');
  assert.equal(other.status, 202, 'nothing looks at it');
  for (const [price, status] of Object.entries({ '4.35': 202, '8.2': 202, '4.355': 422 })) {
    assert.equal((await decided(readingsUrl(house, 'priced'), pem, `{"price":${price}}`)).status, status, price);
  }
});

const operatorPost = (path: string, text: string) => {
  const { key, certificate, issuer, roots, authority } = operator.credential;
  return post(`${authority}${path}`, { key, cert: certificate + issuer, ca: roots }, text);
};

test('a number that would be rounded is refused by the authority; as a string it is compared digit for digit', async () => {
  const set = (value: string) => operatorPost('/v1/attributes', `{"subjects":["truck-17"],"set":{"iccid":${value}}}`);
  const answer = await set('8944110068256270054');
  assert.deepEqual([answer.status, (JSON.parse(answer.body) as Problem).reason], [400, 'request_malformed']);
  assert.match(answer.body, /write it as a string/);
  const send = async () => (await decided(readingsUrl(house, 'sealed'), pem, '{}')).status;
  await operator.set('truck-17', { iccid: '8944110068256270100' });
  assert.equal(await send(), 403);
  await operator.set('truck-17', { iccid: '8944110068256270054' });
  assert.equal(await send(), 202);
});

test('what a command would change by writing it again is a string, and said; types are listed, and given anew', async () => {
  const set = (...words: string[]) => house.portcullis('attribute', 'set', 'truck-17', ...words);
  const first = await set('version=1.10', 'seal=12e45678', '--json');
  assert.deepEqual((JSON.parse(first.out) as { takenAsString: string[] }).takenAsString, ['version', 'seal']);
  assert.match(first.error, /version="1\.10" is taken as a string, .* 1\.1; version:=1\.1 is the number/);
  // The type of a name decides from now on.
  const second = await set('seal=12345678', 'version=2');
  assert.deepEqual([second.status, second.error], [0, '']);
  const forced = await set('iccid2:=8944110068256270054');
  assert.deepEqual([forced.status, /write it as a string/.test(forced.error)], [2, true], forced.error);

  const types = await house.json<AttributeTypeView>('attribute', 'types');
  assert.deepEqual(
    types.find(({ name }) => name === 'version'),
    { name: 'version', type: 'string', declared: false, subjects: 1 },
  );
  const inTheWay = await house.portcullis('attribute', 'retype', 'version', 'number');
  assert.deepEqual([inTheWay.status, /"truck-17" \("2"\) stand/.test(inTheWay.error)], [1, true], inTheWay.error);
  await house.portcullis('attribute', 'unset', 'truck-17', 'version');
  const retyped = await house.portcullis('attribute', 'retype', 'version', 'number', '--reason', 'it is one');
  assert.deepEqual([retyped.status, retyped.out.trim()], [0, '"version" is a number from now on']);
  await set('version=1.10');
  const [version] = await house.json<{ value: unknown }>('attribute', 'get', 'truck-17', 'version');
  assert.equal((version as { value?: unknown }).value ?? version, 1.1);
});
