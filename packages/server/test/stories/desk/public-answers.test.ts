/** Whoever holds the code of a shipment is told what is public of it, signed, as fast as it changes; whoever does not is told nothing. */
import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type CodeRotation, type PublicAnswer, PublicReply, type ShipmentCreated } from '@portcullis/contract';
import { credentialFileIn, enrol, Link, readCredential } from '@portcullis/device';
import { patienceMs } from '../../../../../test/patience.ts';
import { Running, succeeded } from '../../../../../tools/commands.ts';
import { eventually, House } from '../../house.ts';

let house: House;
let desk: Running;
let deskHome: string;
let ca: string;
let code: string;
/** All that came over the feed of a second reader, who is the same desk. */
let wire = '';
let listening: { link: Link; stop: AbortController };

before(async () => {
  house = await House.open();
  deskHome = join(house.home, 'desk-1');
  ca = readFileSync(join(house.fleet, 'root.pem'), 'utf8');
  appendFileSync(join(house.fleet, 'fleet.yaml'), 'attributes: { role: string }\n');
  await house.authority?.stop();
  await house.startAuthority();
  const [created] = await house.json<{ token: string }>('token', 'create', 'desk-1', '--kind', 'desk');
  const ports = ['--port', String(house.basePort + 6), '--public-port', String(house.basePort + 2)];
  await succeeded('portcullis', 'desk', 'join', deskHome, created?.token ?? '', ...ports);
  const [shipment] = await house.json<{ token: string }>('token', 'create', 'box-1', '--kind', 'shipment');
  await enrol({ token: shipment?.token ?? '', directory: join(house.home, 'box-1') });
  await house.change('attribute', 'set', 'box-1', 'secret=hush', 'status=active');
  desk = new Running('portcullis', 'start', 'desk', deskHome, '--log-file', join(house.home, 'desk.log'));
  await desk.line(/^desk listening on \S+ and \S+/, patienceMs);
  await listen();
  code = await rotated();
});
after(async () => {
  listening?.stop.abort();
  listening?.link.close();
  await desk?.stop();
  await house?.close();
});

async function listen(): Promise<void> {
  const credential = readCredential(credentialFileIn(join(deskHome, 'desk')));
  listening = { link: new Link({ roots: ca, role: 'authority', credential }), stop: new AbortController() };
  const answer = await listening.link.stream({
    url: `${credential.authority}/v1/desk/feed`,
    signal: listening.stop.signal,
  });
  answer
    .on('error', () => undefined)
    .on('data', (piece: Buffer) => {
      wire += piece.toString('latin1');
    });
}

async function rotated(): Promise<string> {
  const [told] = await house.json<CodeRotation>('shipment', 'code', 'rotate', 'box-1', '--reason', 'a new label');
  return told?.code ?? '';
}

interface Answered {
  status: number;
  headers: IncomingMessage['headers'];
  body: string;
}

const ask = (path: string, headers: Record<string, string> = {}) =>
  new Promise<Answered>((resolve, reject) => {
    get(`https://localhost:${house.basePort + 2}${path}`, { ca, agent: false, headers }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (piece: string) => {
        body += piece;
      });
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body }));
    }).on('error', reject);
  });

async function told(): Promise<PublicAnswer | undefined> {
  const { status, body } = await ask(`/v1/public/${code}`);
  return status === 200 ? PublicReply.parse(JSON.parse(body)).answer : undefined;
}

test('who has the code is told of the shipment within moments, by a page and signed', async () => {
  await eventually(async () => (await told()) !== undefined, 'the desk was told the code, and has a certificate');
  const answer = await told();
  assert.deepEqual([answer?.sub, answer?.kind, answer?.state], ['box-1', 'shipment', 'known']);
  assert.equal(answer?.certificate?.standing, 'valid');
  assert.equal(answer.certificate.chain.length, 2);
  assert.deepEqual(answer.attributes, {});
  assert.ok(Math.abs(Date.parse(answer.asOf) - Date.now()) < 120_000);
  const page = await ask(`/v/${code}`, { 'accept-language': 'de' });
  assert.deepEqual([page.status, page.headers['content-language']], [200, 'de']);
  assert.match(page.body, /<bdi>box-1<\/bdi>/);
  const again = await ask(`/v/${code}`, { 'accept-language': 'de', 'if-none-match': page.headers.etag ?? '' });
  assert.ok(again.status === 304 || again.headers.etag !== page.headers.etag);
});

test('a cut, and what becomes public, shows at once', async () => {
  await house.change('certificate', 'suspend', 'box-1');
  await eventually(async () => (await told())?.state === 'stopped', 'it is stopped');
  assert.match((await ask(`/v/${code}`)).body, />STOPPED<\/h1>/);
  await house.change('certificate', 'resume', 'box-1');
  await house.change('attribute', 'set', 'box-1', 'destination=berlin', '--public');
  await eventually(async () => (await told())?.attributes['destination' as never] !== undefined, 'it is public');
  assert.equal((await told())?.state, 'known');
});

test('P15: no private value crosses to the desk, no code either, and a look-up by id tells nothing of what a code leads to', async () => {
  for (const secret of ['hush', 'secret', 'active', code]) assert.ok(!wire.includes(secret), `"${secret}" crossed`);
  const { body } = await ask('/v1/subjects/box-1');
  const members = Object.keys(JSON.parse(body) as object).sort();
  assert.deepEqual(members, ['asOf', 'attributes', 'hasValidCertificate', 'kind', 'revision', 'subject']);
  await house.change('attribute', 'unset', 'box-1', 'destination');
  await eventually(async () => (await told())?.attributes['destination' as never] === undefined, 'it is private again');
  assert.equal((await ask('/v1/subjects/box-1')).status, 404);
  assert.equal((await told())?.sub, 'box-1');
});

test('another code leads to it once it is rotated, and the one before to nothing; no code is in a log, a journal or a store', async () => {
  const before = code;
  code = await rotated();
  assert.notEqual(code, before);
  await eventually(async () => (await told()) !== undefined, 'the new code leads to it');
  assert.equal((await ask(`/v1/public/${before}`)).status, 404);
  assert.equal((await ask(`/v/${before}`)).status, 404);
  const journal = await house.portcullis('journal', 'show', '--json');
  assert.match(journal.out, /codes\.rotate/);
  const written = [
    journal.out,
    readFileSync(join(house.home, 'desk.log'), 'utf8'),
    ...['store.db', 'store.db-wal'].map((name) => readFileSync(join(house.fleet, 'authority', name), 'latin1')),
  ];
  for (const text of written) for (const one of [before, code]) assert.ok(!text.includes(one));
});

test('a shipment has a code from the start, and shows its journey step by step, to the line that it was delivered', async () => {
  mkdirSync(join(house.fleet, 'journeys'), { recursive: true });
  const steps =
    'steps: [{ name: pickup, by: { role: trucker } }, { name: delivered, by: { role: clinic }, final: true }]';
  writeFileSync(join(house.fleet, 'journeys', 'lane.yaml'), `journey: lane\n${steps}\n`);
  const [made] = await house.json<ShipmentCreated>('shipment', 'create', 'box-2', '--journey', 'lane');
  const before = code;
  code = made?.code ?? '';
  await eventually(async () => (await told())?.state === 'on_its_way', 'it is on its way');
  const declare = (step: string, place: string) =>
    house.json('arrival', 'declare', 'box-2', step, '--place', place, '--reason', 'seen by us');
  await declare('pickup', 'Lyon');
  await eventually(async () => (await told())?.journey?.steps[0]?.state === 'done', 'the first step is done');
  assert.equal((await told())?.journey?.steps[1]?.state, 'expected');
  await declare('delivered', 'Basel <ward 3>');
  await eventually(async () => (await told())?.state === 'accepted', 'it is delivered');
  const { body } = await ask(`/v/${code}`);
  const [first] = /<main>\s*(.*)/.exec(body)?.slice(1) ?? [];
  assert.match(first ?? '', /^<p class="delivered">Already delivered, .*<bdi>Basel &lt;ward 3&gt;<\/bdi><\/p>/);
  code = before;
});

test('only a shipment that is there has a code', async () => {
  await house.device('truck-1');
  for (const [id, words] of [
    ['truck-1', /kind_conflict/],
    ['never-was', /subject_unknown/],
  ] as const) {
    const { status, error } = await house.portcullis('shipment', 'code', 'rotate', id);
    assert.equal(status, 1);
    assert.match(error, words);
  }
  await house.change('subject', 'retire', 'box-1');
  await eventually(async () => (await ask(`/v1/public/${code}`)).status === 404, 'nothing is told of what is retired');
});

test('the key for public answers is its owner’s alone, and is the same after a start', async () => {
  const file = join(deskHome, 'desk', 'publication.json');
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const held = readFileSync(file, 'utf8');
  await desk.stop();
  desk = new Running('portcullis', 'start', 'desk', deskHome);
  await desk.line(/^desk listening on \S+ and \S+/, patienceMs);
  assert.equal(readFileSync(file, 'utf8'), held);
});
