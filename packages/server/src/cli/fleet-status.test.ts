import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FailureCode, PortcullisError } from '@portcullis/contract';
import type { FleetClient } from './fleet-client.ts';
import { readStatus } from './fleet-status.ts';

const rows: [FailureCode, string, RegExp][] = [
  ['server_unreachable', 'ECONNREFUSED', /^the authority at https:\/\/localhost:1 does not answer: ECONNREFUSED$/],
  ['route_unknown', 'there is no GET /v1/status', /^the authority at https:\/\/localhost:1 is of an earlier version/],
];
for (const [code, message, words] of rows) {
  test(`an authority that is asked and ${code}: it is wrong, and said why`, async () => {
    const get = () => Promise.reject(new PortcullisError(code, message));
    const client = { credential: { authority: 'https://localhost:1' }, get } as unknown as FleetClient;
    const { ok, wrong } = await readStatus(client, 60);
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

function statusOf(authority: object, desks: object[] = []) {
  const get = async (path: string) => {
    if (path.startsWith('/v1/status')) return { ...well, ...authority };
    return { items: path === '/v1/desks' ? desks : [] };
  };
  return readStatus({ get } as unknown as FleetClient, 60);
}

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
