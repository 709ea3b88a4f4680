/** Rows that come from elsewhere, and certificates that OpenSSL made with the fleet's own issuer or with another. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { FleetName, ImportRequest, ImportRow } from '@portcullis/contract';
import { freeBasePort } from '../../../../tools/commands.ts';
import { assembleRecords, type Records } from '../assemble.ts';
import { makeFleetDirectory } from '../cli/fleet-directory.ts';
import { loadFleetConfig } from '../config/config.ts';

const home = mkdtempSync(join(tmpdir(), 'portcullis-imports-'));
const fleet = join(home, 'fleet');
const by = { actor: 'operator-1' };
const stack = new AsyncDisposableStack();
let records: Records;

before(async () => {
  const basePort = await freeBasePort();
  await makeFleetDirectory(fleet, { fleet: FleetName.parse('fleet-1'), basePort, hosts: undefined });
  records = await assembleRecords(fleet, loadFleetConfig(fleet), stack);
  writeFileSync(join(home, 'issuer.pem'), records.issuance.issuers().find(({ role }) => role === 'device')?.pem ?? '');
  openssl(
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout other.key -out other.pem -days 30 -subj /CN=other',
  );
});
after(async () => {
  await stack.disposeAsync();
  rmSync(home, { recursive: true, force: true });
});

function openssl(words: string): void {
  execFileSync('openssl', words.split(' '), { cwd: home, stdio: 'pipe' });
}

interface Wanted {
  extensions?: string[];
  days?: number;
  issuer?: [certificate: string, key: string];
}

let serial = 1;
/** By nobody of ours. */
function certificate({ extensions = ['extendedKeyUsage=clientAuth'], days = 30, issuer }: Wanted = {}): string {
  const [signer, key] = issuer ?? ['issuer.pem', join(fleet, 'authority/keys/issuer-device.pem')];
  openssl('req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout leaf.key -out leaf.csr -subj /CN=leaf');
  writeFileSync(join(home, 'leaf.ext'), `basicConstraints=critical,CA:FALSE\n${extensions.join('\n')}\n`);
  openssl(
    `x509 -req -in leaf.csr -CA ${signer} -CAkey ${key} -set_serial ${++serial} -days ${days} -extfile leaf.ext -out leaf.pem`,
  );
  return readFileSync(join(home, 'leaf.pem'), 'utf8');
}

async function bring(rows: unknown[], more: Record<string, unknown> = {}) {
  const request = ImportRequest.parse({ rows, ...more });
  const { created, changed, same, refused, revision } = await records.imports.bring(by, request);
  return {
    counts: [created, changed, same],
    refused: refused.map(({ row, code }) => [row, code]),
    revision,
    told: refused,
  };
}

async function one(row: unknown): Promise<unknown> {
  const { counts, refused } = await bring([row]);
  return refused[0]?.[1] ?? ['created', 'changed', 'same'][counts.indexOf(1)];
}

const exported = async (subject: string) =>
  (await records.imports.export({ limit: 200 })).items.find((row) => row.subject === subject);

test('rows make and change subjects, one revision for all of them; the same again changes nothing and is none', async () => {
  const rows = [
    { subject: 'truck-1', attributes: { site: 'berlin', level: 2 }, public: ['site'] },
    { subject: 'hub-1', kind: 'gateway', attributes: { site: 'paris' } },
  ];
  const head = records.journal.head().revision;
  assert.deepEqual((await bring(rows, { dryRun: true })).counts, [2, 0, 0]);
  assert.equal(records.journal.head().revision, head, 'a look stores nothing');
  const first = await bring(rows);
  assert.deepEqual([first.counts, first.revision], [[2, 0, 0], head + 1]);
  assert.deepEqual([(await bring(rows)).counts, records.journal.head().revision], [[0, 0, 2], head + 1]);
  const other = { subject: 'truck-1', attributes: { site: null, level: 3 } };
  assert.deepEqual((await bring([other, rows[1]])).counts, [0, 1, 1]);
  assert.deepEqual(await exported('truck-1'), {
    subject: 'truck-1',
    kind: 'device',
    attributes: { level: 3 },
    public: [],
  });
  const change = await records.journal.changeAt(head + 2);
  assert.deepEqual(
    change?.subjects.map(({ subject }) => subject),
    ['truck-1'],
    'gates are told of what changed',
  );
});

test('what is exported is taken back as it is: nothing changes', async () => {
  const { items } = await records.imports.export({ limit: 200, kind: 'device' });
  assert.ok(items.length > 0);
  assert.deepEqual((await bring(items.map((item) => ImportRow.parse(item)))).counts, [0, 0, items.length]);
});

test('a bad row keeps no other from its place, and nothing of it is taken', async () => {
  await records.attributes.change(by, { subjects: ['truck-1'], set: { weight: 4 } } as never);
  const { counts, told } = await bring([
    { subject: 'truck-2', attributes: { weight: 'much', site: 'rome' } },
    { subject: 'truck-3', attributes: { weight: 5 } },
    { subject: 'op-7', kind: 'operator' },
    { subject: 'truck-1', kind: 'gateway' },
    { subject: 'truck-4', attributes: { fresh: 'text' } },
    { subject: 'truck-5', attributes: { fresh: 5 } },
    { subject: 'truck-6', certificates: [{ fingerprint: 'a'.repeat(64) }], attributes: { site: 'rome' } },
  ]);
  assert.deepEqual(counts, [2, 0, 0]);
  const codes = [
    'attribute_type_conflict',
    'request_malformed',
    'kind_conflict',
    'attribute_type_conflict',
    'certificate_unknown',
  ];
  assert.deepEqual(
    told.map(({ code }) => code),
    codes,
  );
  assert.deepEqual(
    told.map(({ row }) => row),
    [0, 2, 3, 5, 6],
  );
  for (const subject of ['truck-2', 'truck-5', 'truck-6']) assert.equal(await exported(subject), undefined);
});

test('P3: a certificate is taken where an issuer of the fleet signed it for a client, for nobody else than it names, and once', async () => {
  const good = certificate();
  assert.equal(await one({ subject: 'pump-1', certificates: [{ certificate: good }] }), 'created');
  assert.equal(await one({ subject: 'pump-1', certificates: [{ certificate: good }] }), 'same');
  const held = await records.revocation.list({ subject: 'pump-1', limit: 10 } as never);
  assert.deepEqual(
    held.items.map(({ standing, purpose }) => [standing, purpose]),
    [['valid', 'client']],
  );
  const change = await records.journal.changeAt(records.journal.head().revision);
  assert.equal(change?.subjects[0]?.certificates?.[0]?.fingerprint, held.items[0]?.fingerprint);
  const uri = (kind: string, id: string) => [
    'extendedKeyUsage=clientAuth',
    `subjectAltName=URI:spiffe://fleet-1/${kind}/${id}`,
  ];
  const rows: [string, Record<string, unknown>, string][] = [
    ['of somebody else by now', { certificate: good }, 'certificate_unknown'],
    ['signed elsewhere', { certificate: certificate({ issuer: ['other.pem', 'other.key'] }) }, 'certificate_unknown'],
    ['of an authority', { certificate: readFileSync(join(home, 'other.pem'), 'utf8') }, 'request_malformed'],
    ['for servers', { certificate: certificate({ extensions: ['extendedKeyUsage=serverAuth'] }) }, 'request_malformed'],
    ['for any use', { certificate: certificate({ extensions: [] }) }, 'request_malformed'],
    ['of another name', { certificate: certificate({ extensions: uri('device', 'pump-1') }) }, 'request_malformed'],
    ['of an operator', { certificate: certificate({ extensions: uri('operator', 'pump-2') }) }, 'request_malformed'],
    ['ended', { certificate: certificate({ days: -1 }) }, 'request_malformed'],
    ['two in one', { certificate: good + good }, 'request_malformed'],
    ['none', { certificate: 'nothing' }, 'request_malformed'],
    [
      'no bytes of one',
      { certificate: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----' },
      'request_malformed',
    ],
    ['of its own name', { certificate: certificate({ extensions: uri('device', 'pump-2') }) }, 'created'],
  ];
  for (const [what, given, outcome] of rows)
    assert.equal(await one({ subject: 'pump-2', certificates: [given] }), outcome, what);
  assert.equal(
    await one({ subject: 'operator-1', certificates: [{ certificate: certificate() }] }),
    'request_malformed',
  );
});

test('an issuer that has the name of one of the fleet, and another key, is none', async () => {
  openssl('ecparam -name prime256v1 -genkey -noout -out same.key');
  const name = records.issuance.ends()[0]?.name ?? '';
  execFileSync(
    'openssl',
    ['req', '-x509', '-key', 'same.key', '-out', 'same.pem', '-days', '30', '-subj', `/CN=${name}`],
    { cwd: home, stdio: 'pipe' },
  );
  const foreign = certificate({ issuer: ['same.pem', 'same.key'] });
  assert.equal(await one({ subject: 'pump-3', certificates: [{ certificate: foreign }] }), 'certificate_unknown');
});

test('P9: an import cuts, and lifts no cut: not of the certificate, and not by another one', async () => {
  const first = certificate();
  const row = (standing?: string, pem = first) => ({
    subject: 'pump-9',
    certificates: [{ certificate: pem, standing }],
  });
  assert.equal(await one(row('valid')), 'created');
  assert.equal(await one(row('suspended')), 'changed');
  assert.equal(await one(row()), 'same');
  assert.equal(await one(row('valid')), 'precondition_failed');
  assert.equal(await one(row('valid', certificate())), 'after_revocation_required');
  assert.equal(await one(row('revoked')), 'changed');
  assert.equal(await one(row('revoked')), 'same');
  for (const standing of ['valid', 'suspended']) assert.equal(await one(row(standing)), 'standing_final');
  assert.equal(await one(row('valid', certificate())), 'after_revocation_required');
  assert.equal(await one(row('revoked', certificate())), 'changed', 'one more that is revoked lets nobody in');
  const fingerprint = (await records.revocation.list({ subject: 'pump-9', limit: 1 } as never)).items[0]?.fingerprint;
  assert.equal(await one({ subject: 'pump-9', certificates: [{ fingerprint, standing: 'revoked' }] }), 'same');
});

test('P9: a certificate of a key that others have is not imported, of no subject; one that is revoked is', async () => {
  const made = certificate();
  const row = (subject: string, standing?: string) => ({ subject, certificates: [{ certificate: made, standing }] });
  assert.equal(await one(row('pump-20')), 'created');
  await records.revocation.change(by, { action: 'revoke', subject: 'pump-20', reasonCode: 'keyCompromise' } as never);
  // The same key once more.
  openssl(
    `x509 -req -in leaf.csr -CA issuer.pem -CAkey ${join(fleet, 'authority/keys/issuer-device.pem')} -set_serial ${++serial} -days 30 -extfile leaf.ext -out leaf.pem`,
  );
  const again = readFileSync(join(home, 'leaf.pem'), 'utf8');
  const other = (standing?: string) => ({ subject: 'pump-21', certificates: [{ certificate: again, standing }] });
  const { counts, told } = await bring([other(), { subject: 'pump-22' }]);
  assert.deepEqual(counts, [1, 0, 0]);
  assert.deepEqual([told[0]?.row, told[0]?.code], [0, 'key_refused']);
  assert.match(told[0]?.detail ?? '', /known to others/);
  assert.equal(await one(other('suspended')), 'key_refused');
  assert.equal(await one(other('revoked')), 'created');
});

test('a request names each subject once, and no more than a transaction takes', () => {
  const refused = (rows: unknown[]) => assert.equal(ImportRequest.safeParse({ rows }).success, false);
  refused([]);
  refused([{ subject: 'truck-1' }, { subject: 'truck-1' }]);
  refused(Array.from({ length: 201 }, (_, index) => ({ subject: `truck-${index}` })));
  const many = Object.fromEntries(Array.from({ length: 201 }, (_, index) => [`a${index}`, index]));
  refused(Array.from({ length: 10 }, (_, index) => ({ subject: `truck-${index}`, attributes: many })));
  refused([{ subject: 'truck-1', certificates: [{ certificate: '', fingerprint: 'a'.repeat(64) }] }]);
  refused([{ subject: 'truck-1', atributes: {} }]);
});
