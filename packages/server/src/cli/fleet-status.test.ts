import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FailureCode, PortcullisError } from '@portcullis/contract';
import type { FleetClient } from './fleet-client.ts';
import { readStatus, spoolWrong } from './fleet-status.ts';

const rows: [FailureCode, string, RegExp][] = [
  ['server_unreachable', 'ECONNREFUSED', /^the authority at https:\/\/localhost:1 does not answer: ECONNREFUSED$/],
  ['route_unknown', 'there is no GET /v1/status', /^the authority at https:\/\/localhost:1 is of an earlier version/],
];
for (const [code, message, words] of rows) {
  test(`an authority that is asked and ${code}: it is wrong, and said why`, async () => {
    const get = () => Promise.reject(new PortcullisError(code, message));
    const client = { credential: { authority: 'https://localhost:1' }, get } as unknown as FleetClient;
    const { ok, wrong } = await readStatus(client, 60, Date.parse(time));
    assert.equal(ok, false);
    assert.match(wrong[0] ?? '', words);
  });
}

const time = '2026-01-01T00:00:00.000Z';
/** As the authority tells it, with nothing wrong. */
const well = {
  ...{ fleet: 'home', version: '1.0.0', startedAt: time, time, revision: 1, issuers: [] },
  disk: { freeBytes: 2 ** 40, totalBytes: 2 ** 40 },
  journal: { position: 1, lookedFrom: 1, broken: null, verified: { at: time, entries: 1, whole: true } },
  ending: { within: 60, devices: 0, others: [], more: false },
};

test('a clock that was ahead is wrong, at the gate that was told so', async () => {
  const gate = {
    ...{ gate: 'gate-1', url: null, instance: 'a', lease: 'held', leaseEndsInMs: 1, appliedRevision: 1, lag: 0 },
    ...{ lastHeardMs: 1, connections: 0, admittedPerSecond: 0, refusedPerSecond: 0, overruns: 0, unproven: 0 },
    ...{ policy: 1, policyRefused: false, pruneWaits: 0, clockAheadMs: 40 * 86_400_000 - 20_000 },
  };
  const answers: Record<string, object> = { '/v1/gates': { items: [gate] }, '/v1/desks': { items: [] } };
  const get = async (path: string) => answers[path] ?? well;
  const { ok, wrong } = await readStatus({ get } as unknown as FleetClient, 60, Date.parse(time));
  assert.equal(ok, false);
  assert.match(wrong.join('\n'), /^gate-1 was told a time that is 40d ahead .* "gate accept-clock"$/);
});

function statusOf(authority: object, desks: object[] = [], more: object = {}) {
  const get = async (path: string) => {
    if (path.startsWith('/v1/status')) return { ...well, ...authority };
    return { items: path === '/v1/desks' ? desks : [] };
  };
  return readStatus({ get, ...more } as unknown as FleetClient, 60, Date.parse(time));
}

test('of several authorities each that stands by is asked: one that will not lead is wrong, and one that can not be asked is noted', async () => {
  const addresses = { authority: ['https://a', 'https://b', 'https://c', 'https://d'], enrolment: [] };
  const standbyAt = async (authority: string) => {
    if (authority === 'https://d') throw new PortcullisError('server_unreachable', 'ECONNREFUSED');
    if (authority === 'https://a') return undefined;
    return { authority, against: authority === 'https://c' ? '"leaseMs" in fleet.yaml differs' : null, time };
  };
  const { wrong, notes, standbys } = await statusOf({ addresses }, [], { standbyAt });
  assert.deepEqual(
    standbys.map(({ authority }) => authority),
    ['https://b', 'https://c'],
  );
  assert.deepEqual(wrong, ['the authority at https://c stands by and will not lead: "leaseMs" in fleet.yaml differs']);
  assert.deepEqual(notes, ['the authority at https://d can not be asked: ECONNREFUSED']);
});

test('an authority that stands by with a clock that gates would not follow is wrong; one that leads with another than this machine is noted', async () => {
  const addresses = { authority: ['https://a', 'https://b', 'https://c', 'https://d'], enrolment: [] };
  const clocks: Record<string, string | null> = {
    'https://a': '2026-01-01T00:10:00.000Z',
    'https://b': '2025-12-31T21:00:00.000Z',
    'https://c': '2026-01-01T00:04:50.000Z',
    'https://d': null,
  };
  const standbyAt = async (authority: string) => ({ authority, against: null, time: clocks[authority] });
  const { wrong, notes } = await statusOf({ addresses }, [], { standbyAt });
  const follows = 'a gate whose clock is more than 5m off that of who leads gets no lease';
  assert.deepEqual(wrong, [
    `the clock of the authority at https://a, which stands by, is 10m ahead of that of who leads: ${follows}`,
    `the clock of the authority at https://b, which stands by, is 3h behind that of who leads: ${follows}`,
  ]);
  assert.deepEqual(notes, []);
  const leads = await statusOf({ time: '2026-01-01T00:07:00.000Z' });
  assert.deepEqual(
    [leads.ok, leads.notes],
    [true, [`the clock of the authority is 7m ahead of that of this machine: ${follows}`]],
  );
});

test('a gate of several processes is asked for each of them, and says why it stores nothing', async () => {
  const view = (instance: string) => ({
    ...{ gate: 'gate-1', url: 'https://g', instance, workers: 2, lease: 'held', leaseEndsInMs: 1, appliedRevision: 1 },
    ...{ lag: 0, lastHeardMs: 1, connections: 0, admittedPerSecond: 0, refusedPerSecond: 0, overruns: 0, unproven: 0 },
    ...{ policy: 1, policyRefused: false, pruneWaits: 0, clockAheadMs: 0 },
  });
  const own = (instance: string, more: object) => ({
    ...{ gate: 'gate-1', instance, version: '1.0.0', disk: well.disk, pruneWaiting: 0, ...more },
  });
  const answers: Record<string, object> = {
    '/v1/gates': { items: [view('a'), view('b')] },
    '/v1/desks': { items: [] },
    'https://g/v1/workers/1': own('a', {}),
    'https://g/v1/workers/2': own('b', { storesNothingSince: time, storesNothingBecause: 'its disk is full' }),
  };
  const get = async (path: string) => answers[path] ?? well;
  const getFromGate = async (url: string) => answers[url];
  const { wrong } = await readStatus({ get, getFromGate } as unknown as FleetClient, 60, Date.parse(time));
  assert.deepEqual(wrong, [`gate-1 stores no reading since ${time}, and devices keep theirs: its disk is full`]);
});

test('a gate whose certificate is of a root that was retired is wrong until it joins again', async () => {
  const { wrong } = await statusOf({ lost: [{ subject: 'gate-2', kind: 'gate' }] });
  assert.deepEqual(wrong, [
    'gate gate-2 has a certificate of a root that was retired, and can not come back by it: "gate join --replace", or revoke it',
  ]);
});

test('connections that had no room at the authority are noted, by listener, and nothing is wrong for it', async () => {
  const crowded = { listener: 'api', connections: 4_096, displaced: 3, turnedAway: 5 };
  const quiet = { listener: 'enrolment', connections: 2, displaced: 0, turnedAway: 0 };
  const { ok, notes } = await statusOf({ listeners: [crowded, quiet] });
  const words =
    'the authority\'s listener "api" was full: 3 made room and 5 were turned away since it started; the log has addresses';
  assert.deepEqual([ok, notes], [true, [words]]);
});

const listOf = (issuer: string, fromHours: number, untilHours: number) => {
  const at = (hours: number) => new Date(Date.parse(time) + hours * 3_600_000).toISOString();
  return { issuer, list: { number: 1, thisUpdate: at(fromHours), nextUpdate: at(untilHours), entries: 0 } };
};

test('a list that ended is wrong; one that should have been made anew, and one that is not there, are noted', async () => {
  const lists = [listOf('fresh', -1, 23), listOf('half', -13, 11), listOf('late', -20, 4), listOf('ended', -25, -1)];
  const { ok, wrong, notes } = await statusOf({ lists: [...lists, { issuer: 'root', list: null }] });
  assert.equal(ok, false);
  assert.equal(wrong.length, 1);
  assert.match(wrong[0] ?? '', /^the list of revoked certificates of ended ended 2025-12-31T23:00:00.000Z/);
  assert.equal(notes.length, 2);
  assert.match(notes[0] ?? '', /^the list of revoked certificates of late ends/);
  assert.match(notes[1] ?? '', /^root has no list of revoked certificates/);
});

test('a desk that gives a list that ended, or is told nothing of certificates, is wrong', async () => {
  const deskOf = (desk: string, nextUpdate: string, ageMs: number) => ({
    ...{ desk, lastHeardMs: 100 },
    report: {
      ...{ url: 'https://localhost:1', version: '1.0.0', startedAt: time, lookUps: null },
      ...{ connections: 0, relayed: 0, turnedAway: 0 },
      verifiers: { lists: { nextUpdate, ageMs }, standings: { revision: 1, ageMs, certificates: 1 }, answers: {} },
    },
  });
  const later = '2026-01-02T00:00:00.000Z';
  const well = await statusOf({}, [deskOf('desk-1', later, 100)]);
  assert.deepEqual([well.ok, well.wrong], [true, []]);
  const { wrong } = await statusOf({}, [deskOf('desk-2', time, 100), deskOf('desk-3', later, 30_000)]);
  assert.deepEqual(
    wrong.map((words) => words.split(':')[0]),
    [
      `desk-2 gives a list of revoked certificates that ended ${time.split(':')[0]}`,
      'desk-3 is told nothing of certificates',
    ],
  );
});

test('what waits in the spool of a gate is wrong while the sink is away or does not take it, and so is what was damaged', () => {
  const spool = { state: 'empty', bytes: 500, bytesMax: 1_000, readings: 2, oldest: time, damaged: 0 } as const;
  const waits = `2 acknowledged readings since ${time} in the spool of gate-1, 50 % full`;
  assert.deepEqual(spoolWrong('gate-1', undefined), []);
  assert.deepEqual(spoolWrong('gate-1', spool), []);
  assert.deepEqual(spoolWrong('gate-1', { ...spool, state: 'draining' }), []);
  assert.deepEqual(spoolWrong('gate-1', { ...spool, state: 'away' }), [
    `the sink is away: ${waits}; the log of the gate says why`,
  ]);
  assert.deepEqual(spoolWrong('gate-1', { ...spool, state: 'stuck', damaged: 1 }), [
    `the sink does not take ${waits}: the log of the gate says why`,
    '1 file of the spool of gate-1 was damaged, and readings in it lost: gate/spool/damaged',
  ]);
});
