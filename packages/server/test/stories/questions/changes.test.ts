/** What an operator asks and changes by commands: many subjects at once, names that nobody has, changes that change nothing. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { TokensRequest } from '@portcullis/contract';
import { House } from '../../house.ts';

let house: House;

before(async () => {
  house = await House.open();
});
after(() => house?.close());

interface Changed {
  revision: number;
  changed: number;
}

const list = async (...words: string[]) =>
  (await house.json<{ subject: string }>(...words)).map(({ subject }) => subject);

test('a token gives what is asked for beside status=active, and says so', async () => {
  const { status, out, error } = await house.portcullis(
    ...['token', 'create', 'fridge-1', '--attribute', 'site=berlin', '--label', 'AA:BB:CC'],
  );
  assert.equal(status, 0);
  assert.match(out, /^[A-Za-z0-9_-]+\n$/);
  assert.match(
    error,
    /^fridge-1 is new: device with status="active", site="berlin", label="AA:BB:CC"; the token can be used until /m,
  );
  const again = await house.portcullis('token', 'create', 'fridge-1', '--attribute', 'status=off');
  assert.match(again.error, /^fridge-1 exists and keeps its attributes: \[status\] was not set, which /m);
  const [other] = await house.json<object>(
    'token',
    'create',
    'fridge-2',
    '--attribute',
    'status=new',
    '--label',
    '0012',
  );
  assert.deepEqual((other as { attributes: object }).attributes, { status: 'new', label: '0012' });
});

test('more tokens than one request may make are made by several; a request for more is refused before anything is written', async () => {
  const file = join(house.home, 'crowd.txt');
  writeFileSync(file, Array.from({ length: 501 }, (_, index) => `crowd-${index}\n`).join(''));
  const before = (await house.json<{ revision: number }>('change', 'list', '--last', '1'))[0]?.revision ?? 0;
  const { out, status } = await house.portcullis('token', 'create', '--from', file);
  assert.deepEqual([status, out.trim().split('\n').length], [0, 501]);
  const after = (await house.json<{ revision: number }>('change', 'list', '--last', '1'))[0]?.revision;
  assert.equal(after, before + 2);
  assert.throws(() => TokensRequest.parse({ tokens: Array.from({ length: 501 }, () => ({ subject: 'box-1' })) }));
});

test('a file of many tokens adds to status=active in each line, and tells how many subjects are new', async () => {
  const file = join(house.home, 'many.ndjson');
  const lines = [
    'box-1',
    '{"subject":"box-2","label":"BOX:2","attributes":{"site":"kiel"}}',
    'box-3',
    'box-4',
    'fridge-1',
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const { out, error } = await house.portcullis('token', 'create', '--from', file, '--attribute', 'site=bonn');
  assert.equal(out.trim().split('\n').length, 5);
  assert.match(
    error,
    /^5 tokens; 4 subjects are new, 1 keeps the attributes that it has: \[site\] was not set, which "attribute set" does$/m,
  );
  const [box] = await house.json<{ attributes: Record<string, { value: unknown }> }>('subject', 'show', 'box-2');
  const values = Object.entries(box?.attributes ?? {}).map(([name, { value }]) => [name, value]);
  assert.deepEqual(Object.fromEntries(values), { label: 'BOX:2', site: 'kiel', status: 'active' });
});

test('a file of tokens that names a subject twice, or is no UTF-8, is refused with the line before anything is made', async () => {
  const file = join(house.home, 'wrong.ndjson');
  const made = (await house.portcullis('subject', 'list', '--json')).out;
  writeFileSync(file, 'tin-1\ntin-2\n{"subject":"tin-1"}\n');
  const twice = await house.portcullis('token', 'create', '--from', file);
  assert.deepEqual([twice.status, /line 3: "tin-1" is in line 1 already/.test(twice.error)], [2, true]);
  writeFileSync(file, Buffer.from('tin-1\n{"subject":"tin-2","label":"K\xf6ln"}\n', 'latin1'));
  const latin = await house.portcullis('token', 'create', '--from', file);
  assert.deepEqual([latin.status, /line 2 is not UTF-8/.test(latin.error)], [1, true]);
  assert.equal((await house.portcullis('subject', 'list', '--json')).out, made);
});

test('an id with capitals and colons is refused with the id to write instead', async () => {
  const { status, error } = await house.portcullis('token', 'create', 'AA:BB:CC');
  assert.equal(status, 2);
  assert.match(
    error,
    /"AA:BB:CC":? must match .*; write "aa-bb-cc", and keep the original with "token create --label"/,
  );
});

test('attributes of many subjects are one change: by ids, by a file, and from standard input', async () => {
  const file = join(house.home, 'boxes.txt');
  writeFileSync(file, '# the boxes\nbox-3\n\nbox-4\n');
  const [set] = await house.json<Changed>(
    'attribute',
    'set',
    'box-1',
    'box-2',
    `@${file}`,
    'site=hamburg',
    'checked=true',
  );
  assert.equal(set?.changed, 4);
  const [next] = await house.json<Changed>('attribute', 'unset', `@${file}`, 'checked');
  assert.deepEqual(next, { revision: (set?.revision ?? 0) + 1, changed: 2 });
  const words = await house.portcullis('attribute', 'set', 'box-1', `@${file}`, 'site=hamburg');
  assert.match(words.out, /^nothing changed: box-1, box-3, box-4: site=hamburg was so already \(revision \d+\)/);
});

test('of many subjects with an unknown one nothing is changed, and each unknown one is named', async () => {
  const { status, error } = await house.portcullis('attribute', 'set', 'box-1', 'nobody', 'no-one', 'site=mars');
  assert.equal(status, 1);
  assert.match(error, /the fleet has no subject "nobody", "no-one"; nothing was changed/);
  const [site] = await house.json<{ value: string }>('attribute', 'get', 'box-1', 'site');
  assert.equal(site?.value, 'hamburg');
});

const usages: [string, string[]][] = [
  ['no subject before the first K=V', ['attribute', 'set', 'site=x']],
  ['no K=V at all', ['attribute', 'set', 'box-1', 'box-2']],
  ['a word without "=" behind the first K=V', ['attribute', 'set', 'box-1', 'site=x', 'box-2']],
  ['a file that is not there', ['attribute', 'set', '@/nowhere', 'site=x']],
  ['an empty file', ['attribute', 'set', '@/dev/null', 'site=x']],
  ['a label given twice', ['token', 'create', 'box-9', '--label', 'A', '--attribute', 'label=B']],
];
for (const [what, words] of usages) {
  test(`${what} is wrong usage`, async () => assert.equal((await house.portcullis(...words)).status, 2));
}

test('what is no value of an attribute is told with what is', async () => {
  const { status, error } = await house.portcullis('attribute', 'set', 'box-1', 'ob:={"a":1}');
  assert.equal(status, 2);
  assert.match(error, /attribute "ob": must be a string of at most \d+ characters, a number, true or false/);
});

const names: [string, string[]][] = [
  ['subject_unknown', ['subject', 'show', 'nobody']],
  ['subject_unknown', ['subject', 'retire', 'nobody']],
  ['subject_unknown', ['attribute', 'get', 'nobody']],
  ['attribute_unknown', ['attribute', 'get', 'box-1', 'colour']],
  ['subject_unknown', ['attribute', 'history', 'nobody']],
  ['attribute_unknown', ['attribute', 'history', 'box-1', 'colour']],
  ['subject_unknown', ['certificate', 'list', '--subject', 'nobody']],
  ['subject_unknown', ['certificate', 'show', 'nobody']],
  ['certificate_unknown', ['certificate', 'show', 'f'.repeat(64)]],
  ['subject_unknown', ['certificate', 'suspend', 'nobody']],
  ['certificate_unknown', ['certificate', 'revoke', 'f'.repeat(64)]],
  ['token_unknown', ['token', 'revoke', 'nobody']],
  ['subject_unknown', ['explain', 'nobody']],
  ['subject_unknown', ['watch', '--subject', 'nobody']],
  ['subject_unknown', ['readings', '--subject', 'nobody']],
  ['subject_unknown', ['readings', '--follow', '--subject', 'nobody']],
  ['attribute_unknown', ['subject', 'list', '--attribute', 'colour=red']],
];
test('a stream that no gate has is wrong usage, and one that has no readings is not', async () => {
  const { status, error } = await house.portcullis('readings', 'nowhere');
  assert.deepEqual([status, /no gate has a stream "nowhere"; they have \[telemetry/.test(error)], [2, true]);
  assert.equal((await house.portcullis('readings', 'telemetry')).status, 0);
});

for (const [code, words] of names) {
  test(`${words.slice(0, 3).join(' ').slice(0, 40)}: a name that nobody has is ${code}`, async () => {
    const { status, out } = await house.portcullis(...words, '--json');
    assert.equal(status, 1);
    assert.equal((JSON.parse(out) as { error: string }).error, code);
  });
}

test('a token that is void already, a certificate that is suspended already: nothing changed', async () => {
  const [token] = await house.json<{ id: string }>('token', 'create', 'box-5');
  const id = token?.id as string;
  const voided = async () => (await house.json<Changed>('token', 'revoke', id))[0]?.changed;
  assert.deepEqual([await voided(), await voided()], [1, 0]);
  await house.device('truck-17');
  const suspended = async () => (await house.json<Changed>('certificate', 'suspend', 'truck-17', '--wait'))[0]?.changed;
  const [first, second] = [await suspended(), await suspended()];
  assert.ok((first ?? 0) > 0);
  assert.equal(second, 0);
  assert.ok((await list('subject', 'list', '--kind', 'device')).includes('truck-17'));
});

test('a change on condition is done once; what changed meanwhile, and what is no condition, is told', async () => {
  const [taken] = await house.json<Changed>('attribute', 'set', 'box-1', 'owner=a', '--if-value', 'site=hamburg');
  const late = ['attribute', 'set', 'box-1', 'owner=b', '--if-revision', String((taken?.revision ?? 0) - 1)];
  const { status, error } = await house.portcullis(...late);
  assert.equal(status, 1);
  assert.match(error, /nothing was changed: "box-1" was touched after revision \d+/);
  for (const words of [
    ['certificate', 'suspend', 'truck-17'],
    ['attribute', 'unset', 'box-1', 'owner'],
    ['subject', 'retire', 'box-1'],
  ]) {
    const { out } = await house.portcullis(...words, '--if-value', 'owner=b', '--json');
    assert.equal((JSON.parse(out) as { error: string }).error, 'precondition_failed', words.join(' '));
  }
  assert.equal((await house.portcullis(...late.slice(0, -1), 'soon')).status, 2);
  assert.equal((await house.portcullis('attribute', 'set', 'box-1', 'owner=b', '--if-value', 'owner')).status, 2);
});

test('changes are listed with who, why and about whom, and shown with what they did and how far they are in force', async () => {
  const [made] = await house.json<Changed>('attribute', 'set', 'box-1', 'box-2', 'lane=7', '--reason', 'the ramp');
  const revision = made?.revision as number;
  const [item, ...others] = await house.json<object>('change', 'list', '--last', '1');
  const { at: _at, position: _position, ...told } = item as Record<string, unknown>;
  const about = { subjects: 2, first: ['box-1', 'box-2'] };
  assert.deepEqual(told, { revision, actor: 'operator-1', action: 'attributes.change', reason: 'the ramp', ...about });
  assert.equal(others.length, 0);
  const all = await house.json<Changed>('change', 'list', '--after', '0');
  assert.deepEqual(
    all.map((one) => one.revision),
    Array.from({ length: revision }, (_, index) => index + 1),
  );
  const { out } = await house.portcullis('change', 'show', String(revision));
  assert.match(out, /^revision \d+: attributes\.change by operator-1 at .*, "the ramp"$/m);
  assert.match(out, /^ {2}box-2: lane=7$/m);
  assert.match(out, /in force at every gate|NOT confirmed/);
  assert.equal((await house.portcullis('change', 'show', '999999')).status, 1);
  assert.equal((await house.portcullis('change', 'list', '--last', 'few')).status, 2);
});

test('a change is undone, and what is newer is left and named; an undo is a change that can be undone too', async () => {
  const [made] = await house.json<Changed>('attribute', 'set', 'box-1', 'box-2', 'lane=9');
  const [newer] = await house.json<Changed>('attribute', 'set', 'box-2', 'lane=10');
  const undo = (revision = 0, ...words: string[]) =>
    house.portcullis('change', 'undo', String(revision), '--reason', 'wrong list', ...words);
  const revision = made?.revision as number;
  const first = await undo(revision, '--wait');
  assert.equal(first.status, 0, first.error);
  assert.match(first.out, new RegExp(`^revision ${revision} is undone\n {2}left: box-2: lane was changed since\n`));
  const lane = async (subject: string) =>
    (await house.json<{ value: number }>('attribute', 'get', subject, 'lane'))[0]?.value;
  assert.deepEqual([await lane('box-1'), await lane('box-2')], [7, 10]);
  const shown = (await house.portcullis('change', 'show', String((newer?.revision ?? 0) + 1))).out;
  assert.match(shown, new RegExp(`: change\\.undo of revision ${revision} by operator-1 at .*, "wrong list"$`, 'm'));
  assert.match((await undo(revision)).out, /^nothing changed: nothing of revision \d+ can be put back/);
  const [again] = await house.json<Changed>('change', 'undo', String((newer?.revision ?? 0) + 1));
  assert.deepEqual([again?.changed, await lane('box-1')], [1, 9]);
  const missing = await undo(999_999, '--json');
  assert.equal((JSON.parse(missing.out) as { error: string }).error, 'revision_unknown');
});

const closed: [string, string[]][] = [
  ['kind', ['subject', 'list', '--kind', 'nosuch']],
  ['standing', ['subject', 'list', '--standing', 'nosuch']],
  ['kind', ['certificate', 'list', '--kind', 'nosuch']],
  ['standing', ['certificate', 'list', '--standing', 'nosuch']],
  ['type', ['attribute', 'retype', 'status', 'nosuch']],
  ['the token: kind', ['token', 'create', 'box-9', '--kind', 'nosuch']],
];
for (const [what, words] of closed) {
  test(`${words.join(' ')}: a word of no closed list is told with that list`, async () => {
    const { status, error } = await house.portcullis(...words);
    assert.equal(status, 2, error);
    assert.ok(error.startsWith(`portcullis: ${what} "nosuch" is unknown; must be one of [`), error);
  });
}

test('a fingerprint in a pipe is whole, and is taken as it stands there', async () => {
  const { out } = await house.portcullis('certificate', 'list', '--subject', 'gate-1');
  const [fingerprint] = /\b[0-9a-f]{64}\b/.exec(out) ?? [];
  assert.ok(fingerprint, out);
  assert.match((await house.portcullis('certificate', 'show', fingerprint)).out, /subject +gate-1/);
});

test('what can not be seen in a value is written as JSON has it, wherever it is shown', async () => {
  const hostile = 'a\u009b2Jb\u202ec';
  const shown = '"a\\u009b2Jb\\u202ec"';
  await house.portcullis('attribute', 'set', 'box-1', `note:=${JSON.stringify(hostile)}`, '--reason', hostile);
  for (const words of [
    ['attribute', 'get', 'box-1'],
    ['attribute', 'history', 'box-1'],
    ['subject', 'show', 'box-1'],
    ['subject', 'list', '--wide'],
    ['journal', 'show', '--wide'],
  ]) {
    const { out } = await house.portcullis(...words);
    assert.ok(out.includes(shown), `${words.join(' ')}: ${out}`);
  }
  const created = await house.portcullis('token', 'create', 'box-8', '--attribute', `note:=${JSON.stringify(hostile)}`);
  assert.ok(created.error.includes(`note=${shown}`), created.error);
  const wrong = await house.portcullis('subject', 'list', '--kind', hostile);
  assert.ok(wrong.error.includes(`kind ${shown} is unknown`), wrong.error);
});
