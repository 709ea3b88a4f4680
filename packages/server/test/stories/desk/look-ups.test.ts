/** What strangers may look up at the desk: what is public and nothing else, no older than it says; and what crosses to the desk for it. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type DeskView, LookUpAnswer } from '@portcullis/contract';
import { credentialFileIn, Link, readCredential } from '@portcullis/device';
import { patienceMs } from '../../../../../test/patience.ts';
import { Running, succeeded } from '../../../../../tools/commands.ts';
import { eventually, House } from '../../house.ts';

let house: House;
let desk: Running;
let deskHome: string;
let ca: string;
/** All that came over the feed of a second reader, who is the same desk. */
let wire = '';
let listening: { link: Link; stop: AbortController };

const startDesk = async () => {
  desk = new Running('portcullis', 'start', 'desk', deskHome);
  await desk.line(/^desk listening on \S+ and \S+/, patienceMs);
};

before(async () => {
  house = await House.open();
  deskHome = join(house.home, 'desk-1');
  ca = readFileSync(join(house.fleet, 'root.pem'), 'utf8');
  const [created] = await house.json<{ token: string }>('token', 'create', 'desk-1', '--kind', 'desk');
  const ports = ['--port', String(house.basePort + 6), '--public-port', String(house.basePort + 2)];
  await succeeded('portcullis', 'desk', 'join', deskHome, created?.token ?? '', ...ports);
  await house.device('box-1', { status: 'active', secret: 'hush-in-box-1' });
  await house.device('truck-1', { status: 'active', secret: 'hush-in-truck-1' });
  await house.change('attribute', 'set', 'box-1', 'destination=berlin', '--public');
  await startDesk();
  await listen();
});
after(async () => {
  listening?.stop.abort();
  listening?.link.close();
  await desk?.stop();
  await house?.close();
});

async function listen(): Promise<void> {
  const credential = readCredential(credentialFileIn(join(deskHome, 'desk')));
  const link = new Link({ roots: ca, role: 'authority', credential });
  const stop = new AbortController();
  listening = { link, stop };
  const answer = await link.stream({ url: `${credential.authority}/v1/desk/feed`, signal: stop.signal });
  assert.equal(answer.statusCode, 200);
  answer
    .on('error', () => undefined)
    .on('data', (piece: Buffer) => {
      wire += piece.toString('latin1');
    });
}

interface Answered {
  status: number;
  headers: IncomingMessage['headers'];
  body: string;
}

const lookUp = (id: string, method = 'GET') =>
  new Promise<Answered>((resolve, reject) => {
    const url = `https://localhost:${house.basePort + 2}/v1/subjects/${id}`;
    get(url, { ca, method, agent: false }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (piece: string) => {
        body += piece;
      });
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body }));
    }).on('error', reject);
  });

const reasonOf = ({ body }: Answered) => (JSON.parse(body) as { reason: string }).reason;
const answered = async (id: string) => {
  const { status, body } = await lookUp(id);
  return status === 200 ? LookUpAnswer.parse(JSON.parse(body)) : undefined;
};

test('anybody is told what is public of a subject, of which state of the fleet, and whether its certificate is valid', async () => {
  await eventually(async () => (await answered('box-1')) !== undefined, 'the desk was told');
  const { status, headers, body } = await lookUp('box-1');
  assert.deepEqual([status, headers['cache-control']], [200, 'public, max-age=1']);
  const told = LookUpAnswer.parse(JSON.parse(body));
  assert.deepEqual([told.subject, told.kind, told.hasValidCertificate], ['box-1', 'device', true]);
  assert.deepEqual(Object.keys(told.attributes), ['destination']);
  assert.ok(Math.abs(Date.parse(told.asOf) - Date.now()) < 60_000);
});

test('whom nothing public is known of is answered as one who never was', async () => {
  const [hidden, never, wrong] = [await lookUp('truck-1'), await lookUp('never-was'), await lookUp('no%20id')];
  assert.equal(reasonOf(hidden), 'subject_unknown');
  for (const other of [never, wrong]) assert.deepEqual([other.status, other.body], [404, hidden.body]);
  const put = await lookUp('box-1', 'PUT');
  assert.deepEqual([put.status, put.headers.allow], [405, 'GET']);
});

test('a change is told within moments, and is in no book of leases: no receipt names the desk or waits for it', async () => {
  const receipt = await house.change('attribute', 'set', 'box-1', 'destination=paris', '--public');
  assert.deepEqual(
    receipt.gates.map(({ gate }) => gate),
    ['gate-1'],
  );
  const isThere = async () => {
    const told = await answered('box-1');
    return told?.revision !== undefined && told.revision >= receipt.revision && JSON.stringify(told).includes('paris');
  };
  await eventually(isThere, 'the new value, of that revision or a later one');
  await house.change('certificate', 'suspend', 'box-1');
  await eventually(
    async () => (await answered('box-1'))?.hasValidCertificate === false,
    'its certificate is not valid',
  );
  await house.change('certificate', 'resume', 'box-1');
  await eventually(async () => (await answered('box-1'))?.hasValidCertificate === true, 'it is valid again');
});

test('P15: no private value crosses to the desk, nor the name of a subject of which nothing is public', async () => {
  await house.change('attribute', 'set', 'box-1', 'secret=hush-again');
  await house.change('attribute', 'set', 'truck-1', 'secret=hush-again-too');
  await house.change('attribute', 'set', 'box-1', 'gone=seen-once', '--public');
  await eventually(() => wire.includes('seen-once'), 'what is public crosses');
  await house.change('attribute', 'unset', 'box-1', 'gone');
  await house.change('attribute', 'unset', 'box-1', 'destination');
  await eventually(async () => (await lookUp('box-1')).status === 404, 'nothing of it is public any more');
  await eventually(() => wire.includes('"gone":["box-1"]'), 'that crosses too');
  for (const secret of ['hush', 'secret', 'truck-1', 'active'])
    assert.ok(!wire.includes(secret), `"${secret}" crossed`);
});

test('who guesses names is refused after a while; what is there is answered all the same', async () => {
  await house.change('attribute', 'set', 'box-1', 'destination=rome', '--public');
  await eventually(async () => (await answered('box-1')) !== undefined, 'it is public again');
  const guesses = await Promise.all(Array.from({ length: 60 }, (_, index) => lookUp(`guess-${index}`)));
  assert.ok(guesses.some((answer) => answer.status === 429 && answer.headers['retry-after'] === '1'));
  assert.equal((await lookUp('box-1')).status, 200);
});

test('while the authority is away the desk answers until its word is too old, then says so; status tells how old it is', async () => {
  const known = async () => (await house.json<DeskView>('desk', 'list'))[0]?.report?.lookUps;
  await eventually(async () => ((await known())?.subjects ?? 0) === 1, 'the desk reports what it knows');
  assert.match((await house.portcullis('status')).out, /look-ups of revision \d+, \d+ ms old/);
  await desk.stop();
  const file = join(deskHome, 'desk.yaml');
  writeFileSync(file, `${readFileSync(file, 'utf8')}limits: { lookUpAgeMs: 3000 }\n`);
  await startDesk();
  await eventually(async () => (await answered('box-1')) !== undefined, 'it was told anew');
  await house.authority?.stop();
  await eventually(async () => (await lookUp('box-1')).status === 503, 'the bound is reached');
  assert.equal(reasonOf(await lookUp('box-1')), 'look_ups_stale');
  assert.equal(reasonOf(await lookUp('never-was')), 'look_ups_stale');
  await house.startAuthority();
  await eventually(async () => (await lookUp('box-1')).status === 200, 'it answers again');
});

test('a desk that is cut off is told nothing any more', async () => {
  const stream = Promise.withResolvers<void>();
  const credential = readCredential(credentialFileIn(join(deskHome, 'desk')));
  const link = new Link({ roots: ca, role: 'authority', credential });
  const signal = new AbortController().signal;
  const answer = await link.stream({ url: `${credential.authority}/v1/desk/feed`, signal });
  answer.on('error', () => undefined).on('close', () => stream.resolve());
  answer.resume();
  await house.change('certificate', 'revoke', 'desk-1');
  await stream.promise;
  link.close();
});
