/** A fleet's subjects move: out of one, into another, by files; and a device that came with its certificate sends at once. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { finished, freeBasePort, succeeded } from '../../../../../tools/commands.ts';
import { readSqliteStore } from '../../../src/storage/storage.ts';
import { eventually, House, post, readingsUrl } from '../../house.ts';

let house: House;
const home = mkdtempSync(join(tmpdir(), 'portcullis-moving-'));
const at = (name: string) => join(home, name);
before(async () => {
  house = await House.open();
});
after(async () => {
  await house?.close();
  rmSync(home, { recursive: true, force: true });
});

const lines = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
const give = (...words: string[]) => succeeded('portcullis', 'export', '--fleet', house.fleet, ...words);

test('1. a sheet is taken whole or not at all, and each bad row is named in a file beside it', async () => {
  const rows = Array.from(
    { length: 450 },
    (_, index) => `truck-${index},${index % 2 ? 'site' : ''},hall "${index}",${index}`,
  );
  writeFileSync(
    at('good.csv'),
    `subject,public,site,level:number\n${rows.map((row) => row.replace(/hall "(\d+)"/, '"hall ""$1"""')).join('\n')}\n`,
  );
  writeFileSync(
    at('bad.csv'),
    `${readFileSync(at('good.csv'), 'utf8')}truck-x,,here,high\ntruck-y\ngate-7,,x,1\n`.replace('gate-7,', 'Gate-7,'),
  );
  const bad = await house.portcullis('import', at('bad.csv'), '--json');
  assert.equal(bad.status, 1);
  const told = JSON.parse(bad.out) as Record<string, unknown>;
  assert.deepEqual([told.created, told.refused, told.refusedFile], [0, 3, at('bad.csv.refused.ndjson')]);
  const refused = lines(readFileSync(at('bad.csv.refused.ndjson'), 'utf8'));
  assert.deepEqual(
    refused.map(({ row, at: line }) => [row, line]),
    [
      [451, 452],
      [452, 453],
      [453, 454],
    ],
  );
  assert.equal(await give(), '', 'nothing was changed');
  const looked = JSON.parse((await house.portcullis('import', at('good.csv'), '--dry-run', '--json')).out) as Record<
    string,
    unknown
  >;
  assert.deepEqual([looked.created, await give()], [450, '']);
  const taken = await house.portcullis(
    'import',
    at('bad.csv'),
    '--good-ones',
    '--reason',
    'from the old system',
    '--json',
  );
  assert.deepEqual([taken.status, (JSON.parse(taken.out) as Record<string, unknown>).created], [1, 450]);
  const again = JSON.parse((await house.portcullis('import', at('good.csv'), '--json')).out) as Record<string, unknown>;
  assert.deepEqual([again.created, again.changed, again.same], [0, 0, 450]);
});

test('2. what was printed goes into an empty fleet, in either form, and comes out the same', async () => {
  const ndjson = await give();
  assert.equal(lines(ndjson).length, 450);
  for (const format of ['ndjson', 'csv']) writeFileSync(at(`moved.${format}`), await give('--format', format));
  const other = new House();
  try {
    const basePort = String(await freeBasePort());
    await succeeded('portcullis', 'init', other.fleet, '--desk', 'none', '--base-port', basePort);
    await other.startAuthority();
    const [taken] = await other.json<Record<string, unknown>>('import', at('moved.ndjson'));
    assert.equal(taken?.created, 450);
    assert.equal(await succeeded('portcullis', 'export', '--fleet', other.fleet), ndjson);
    const [again] = await other.json<Record<string, unknown>>('import', at('moved.csv'));
    assert.equal(again?.same, 450, 'both forms say the same');
  } finally {
    await other.close();
  }
});

test('3. P3: a device that came with a certificate of our issuer is admitted at once, and one of another issuer gets no row', async () => {
  const openssl = (words: string) => execFileSync('openssl', words.split(' '), { cwd: home, stdio: 'pipe' });
  const issuer = await readSqliteStore(join(house.fleet, 'authority')).snapshot((db) =>
    db.selectFrom('issuers').select('certificate').where('role', '=', 'device').executeTakeFirstOrThrow(),
  );
  writeFileSync(at('issuer.pem'), issuer.certificate);
  writeFileSync(at('leaf.ext'), 'basicConstraints=critical,CA:FALSE\nextendedKeyUsage=clientAuth\n');
  openssl('req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout leaf.key -out leaf.csr -subj /CN=pump');
  const key = join(house.fleet, 'authority/keys/issuer-device.pem');
  openssl(`x509 -req -in leaf.csr -CA issuer.pem -CAkey ${key} -set_serial 7 -days 9 -extfile leaf.ext -out leaf.pem`);
  const pem = {
    key: readFileSync(at('leaf.key'), 'utf8'),
    cert: readFileSync(at('leaf.pem'), 'utf8'),
    ca: readFileSync(join(house.fleet, 'root.pem'), 'utf8'),
  };
  const send = async () => (await post(readingsUrl(house), pem, '{"bar":3}')).status;
  assert.equal(await send(), 403, 'it is not a row yet');
  const row = { subject: 'pump-1', attributes: { status: 'active' }, certificates: [{ certificate: pem.cert }] };
  writeFileSync(at('pump.ndjson'), `${JSON.stringify(row)}\n`);
  await succeeded('portcullis', 'import', at('pump.ndjson'), '--fleet', house.fleet);
  await eventually(async () => (await send()) === 202, 'the gate heard of it');
  openssl(
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout other.key -out other.pem -days 30 -subj /CN=other',
  );
  openssl(
    'x509 -req -in leaf.csr -CA other.pem -CAkey other.key -set_serial 8 -days 9 -extfile leaf.ext -out pump-2.pem',
  );
  writeFileSync(
    at('foreign.ndjson'),
    `${JSON.stringify({ subject: 'pump-2', certificates: [{ certificate: readFileSync(at('pump-2.pem'), 'utf8') }] })}\n`,
  );
  const foreign = await house.portcullis('import', at('foreign.ndjson'), '--json');
  assert.equal(foreign.status, 1);
  assert.match(
    readFileSync(at('foreign.ndjson.refused.ndjson'), 'utf8'),
    /certificate_unknown.*no issuer of this fleet/,
  );
});

test('4. what can not be read twice says so, and no file is made where nothing is refused', async () => {
  const piped = await finished('portcullis', 'import', '-', '--fleet', house.fleet, '--json');
  assert.deepEqual([piped.status, (JSON.parse(piped.out) as { error: string }).error], [2, 'usage']);
  assert.ok(!existsSync(at('good.csv.refused.ndjson')));
});

interface Refused {
  row: number;
  at: number | string;
  subject: string | null;
  detail: string;
}

test('5. a subject that is in a file twice is named with both places, as is a gate; the others of the file are taken by option', async () => {
  const rows = ['pump-5,bonn', 'gate-1,bonn', 'pump-6,kiel', 'pump-5,kiel'];
  writeFileSync(at('twice.csv'), `subject,site\n${rows.join('\n')}\n`);
  const whole = await house.portcullis('import', at('twice.csv'), '--json');
  assert.deepEqual([whole.status, (JSON.parse(whole.out) as { refused: number }).refused], [1, 2]);
  const refused = lines(readFileSync(at('twice.csv.refused.ndjson'), 'utf8')) as unknown as Refused[];
  const seen = refused.map(({ row, at: line, subject, detail }) => [row, line, subject, detail]).toSorted();
  assert.deepEqual(seen, [
    [2, 3, 'gate-1', '"gate-1" is a gate, of which an import says nothing; it is about [device, gateway, shipment]'],
    [4, 5, 'pump-5', '"pump-5" is in line 2 already; a file names each once'],
  ]);
  const good = await house.portcullis('import', at('twice.csv'), '--good-ones', '--json');
  assert.equal((JSON.parse(good.out) as { created: number }).created, 2);
  const [pump] = await house.json<{ attributes: Record<string, { value: unknown }> }>('subject', 'show', 'pump-5');
  assert.equal(pump?.attributes.site?.value, 'bonn');
  const skipped = await house.portcullis('import', at('twice.csv'), '--good-ones', '--after', '3', '--json');
  assert.equal((JSON.parse(skipped.out) as { refused: number }).refused, 1, 'also where the first of them is left out');
});

const unusable: [string, string | Buffer, RegExp][] = [
  ['empty.csv', '', /has no row: the first line names the columns, such as "subject,site,status"/],
  ['header.csv', 'subject,site\n', /has no row: the first line names the columns/],
  ['empty.ndjson', '\n\n', /has no row: each line is a subject, such as \{"subject":"pump-1"/],
  ['latin.csv', Buffer.from('subject,site\npump-7,bonn\npump-8,K\xf6ln\n', 'latin1'), /^line 3 is not UTF-8/],
  ['latin.ndjson', Buffer.from('{"subject":"pump-7","attributes":{"site":"K\xf6ln"}}', 'latin1'), /^line 1 is not UTF/],
];
for (const [name, bytes, words] of unusable) {
  test(`6. ${name} is refused with what such a file looks like, and nothing of it is taken`, async () => {
    writeFileSync(at(name), bytes);
    const { status, out } = await house.portcullis('import', at(name), '--dry-run', '--json');
    const { error, message } = JSON.parse(out) as { error: string; message: string };
    assert.deepEqual([status, error], [1, 'request_malformed']);
    assert.match(message, words);
  });
}

test('7. of a directory each file that is no text is named; one without certificates says how they are named', async () => {
  for (const name of ['none', 'some', 'some/pump-10.pem']) mkdirSync(at(name));
  writeFileSync(at('some/pump-9.cer'), Buffer.from('3082ff00', 'hex'));
  const none = await house.portcullis('import', at('none'), '--dry-run', '--json');
  assert.match((JSON.parse(none.out) as { message: string }).message, /has no row: each file is named SUBJECT\.pem/);
  await house.portcullis('import', at('some'), '--dry-run', '--json');
  const refused = lines(readFileSync(at('some.refused.ndjson'), 'utf8')) as unknown as Refused[];
  assert.deepEqual(
    refused.map(({ at: file, detail }) => [file, /^the file must be a certificate in PEM: /.test(detail)]),
    [
      ['pump-10.pem', true],
      ['pump-9.cer', true],
    ],
  );
});
