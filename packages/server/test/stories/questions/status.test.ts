/** The morning's questions to a whole house: how it stands, whom it has heard, and its figures without a certificate. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { eventually, House, post, readingsUrl } from '../../house.ts';

let house: House;
let metricsPort = 0;
let socket = '';

before(async () => {
  house = await House.open((made) => {
    metricsPort = made.basePort + 5;
    socket = join(made.home, 'gate.sock');
    made.configure('fleet.yaml', (text) => `${text}leaseMs: 2000\nmetrics: { listen: "127.0.0.1:${metricsPort}" }\n`);
    made.configure('gate.yaml', (text) => `${text}metrics: { listen: "unix:${socket}" }\n`);
  });
});
after(() => house?.close());

interface Status {
  ok: boolean;
  wrong: string[];
  notes: string[];
  authority: {
    journal: { verified: { whole: boolean; entries: number } | null; position: number; broken: unknown };
    revision: number;
  } | null;
  gates: { gate: string; lease: string; own: { disk: { freeBytes: number } } | null }[];
}

async function status(): Promise<{ exit: number; told: Status }> {
  const { status: exit, out } = await house.portcullis('status', '--json');
  return { exit, told: JSON.parse(out) as Status };
}

type Where = { socketPath: string } | { port: number };

function scrape(where: Where, path = '/metrics'): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ ...where, path }, (answer) => {
      let text = '';
      answer.on('data', (chunk) => {
        text += chunk;
      });
      answer.on('end', () => resolve(text));
    });
    asked.on('error', reject).end();
  });
}

test('all is well: exit status 0, both disks, the end of the journal looked at', async () => {
  const { exit, told } = await status();
  assert.deepEqual([exit, told.ok, told.wrong], [0, true, []]);
  assert.equal(told.authority?.journal.broken, null);
  assert.deepEqual(
    told.gates.map(({ gate, lease }) => [gate, lease]),
    [['gate-1', 'held']],
  );
  assert.ok((told.gates[0]?.own?.disk.freeBytes ?? 0) > 0);
  assert.deepEqual(told.notes, ['nobody looked at all of the journal yet: journal verify']);
  const { out } = await house.portcullis('status');
  assert.match(out, /^journal: entries 1 to \d+ hold; all of it was never verified$/m);
  assert.match(out, /^all is well$/m);
});

test('what "journal verify" found is remembered', async () => {
  assert.equal((await house.portcullis('journal', 'verify')).status, 0);
  const { told } = await status();
  assert.equal(told.authority?.journal.verified?.whole, true);
  assert.deepEqual(told.notes, []);
});

test('a subject is listed with when a gate heard it last, and what came of it', async () => {
  const directory = await house.device('truck-17');
  await house.device('truck-18');
  const [before] = await house.json<{ lastSeen: unknown; seenSince: string }>(
    'subject',
    'list',
    '--attribute',
    'status=active',
    '--kind',
    'device',
  );
  assert.equal(before?.lastSeen, null);
  assert.match(before?.seenSince ?? '', /^\d{4}-/);
  const pem = await house.pem(directory);
  assert.equal((await post(readingsUrl(house), pem, '{}')).status, 202);
  const seen = async () => {
    const rows = await house.json<{ subject: string; lastSeen: { gate: string; verdict: string } | null }>(
      ...['subject', 'list', '--kind', 'device', '--sort', 'seen'],
    );
    return rows.map(({ subject, lastSeen }) => [subject, lastSeen?.gate ?? null, lastSeen?.verdict ?? null]);
  };
  assert.deepEqual(await seen(), [
    ['truck-18', null, null],
    ['truck-17', 'gate-1', 'admitted'],
  ]);
  await house.change('attribute', 'set', 'truck-17', 'status=off');
  assert.equal((await post(readingsUrl(house), pem, '{}')).status, 403);
  assert.deepEqual((await seen())[1], ['truck-17', 'gate-1', 'refused']);
  assert.equal((await house.portcullis('subject', 'list', '--sort', 'colour')).status, 2);
});

test('the authority and the gate tell their figures on this machine without a certificate', async () => {
  const [authority, gate] = [await scrape({ port: metricsPort }), await scrape({ socketPath: socket })];
  for (const where of [{ port: metricsPort }, { socketPath: socket }]) {
    assert.deepEqual([await scrape(where, '/livez'), await scrape(where, '/readyz')], ['alive\n', 'ready\n']);
  }
  assert.match(authority, /^portcullis_authority_leases\{lease="held"\} 1$/m);
  assert.match(authority, /^# TYPE portcullis_authority_requests_total counter$/m);
  assert.match(authority, /^portcullis_authority_requests_total\{status="200"\} \d+$/m);
  assert.match(authority, /^portcullis_authority_connections\{listener="api"\} \d+$/m);
  assert.match(authority, /^portcullis_authority_connections_turned_away_total\{listener="enrolment"\} 0$/m);
  assert.match(gate, /^portcullis_gate_admitted_total 1$/m);
  assert.match(gate, /^# TYPE portcullis_gate_admitted_total counter$/m);
});

test('figures are told while the gate holds no lease; status says which gate that is, and that nobody answers', async () => {
  await house.authority?.stop();
  await eventually(
    async () => /^portcullis_gate_lease_remaining_seconds 0$/m.test(await scrape({ socketPath: socket })),
    'no lease',
    60_000,
  );
  const gate = { socketPath: socket };
  assert.deepEqual([await scrape(gate, '/livez'), await scrape(gate, '/readyz')], ['alive\n', 'it holds no lease\n']);
  const down = await status();
  assert.deepEqual([down.exit, down.told.ok, down.told.authority], [1, false, null]);
  assert.match(down.told.wrong.join(), /the authority at https:\/\/localhost:\d+ does not answer/);
  await house.startAuthority();
  await eventually(async () => (await status()).exit === 0, 'well again', 60_000);
  await house.gate?.stop();
  await eventually(async () => (await status()).exit === 1, 'a gate without a lease is wrong', 60_000);
  assert.match((await status()).told.wrong.join(), /gate-1 holds no lease: is it running\?/);
});

test('files of a policy that are not valid are wrong, and said', async () => {
  await house.startGate();
  const file = join(house.fleet, 'gate.yaml');
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, `${text}\nnonsense: 1\n`);
  await eventually(
    async () => (await status()).told.wrong.some((one) => /gate-1 refuses the files of its policy/.test(one)),
    'refused',
    60_000,
  );
  writeFileSync(file, text);
});
