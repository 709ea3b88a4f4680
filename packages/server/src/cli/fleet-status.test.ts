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

test('connections that had no room at the authority are noted, by listener, and nothing is wrong for it', async () => {
  const time = '2026-01-01T00:00:00.000Z';
  const crowded = { listener: 'api', connections: 4_096, displaced: 3, turnedAway: 5 };
  const quiet = { listener: 'enrolment', connections: 2, displaced: 0, turnedAway: 0 };
  const authority = {
    ...{ fleet: 'home', version: '1.0.0', startedAt: time, time, revision: 1, issuers: [] },
    disk: { freeBytes: 2 ** 40, totalBytes: 2 ** 40 },
    journal: { position: 1, lookedFrom: 1, broken: null, verified: { at: time, entries: 1, whole: true } },
    ...{ listeners: [crowded, quiet], ending: { within: 60, devices: 0, others: [], more: false } },
  };
  const get = async (path: string) => (path.startsWith('/v1/status') ? authority : { items: [] });
  const { ok, notes } = await readStatus({ get } as unknown as FleetClient, 60);
  const words =
    'the authority\'s listener "api" was full: 3 made room and 5 were turned away since it started; the log has addresses';
  assert.deepEqual([ok, notes], [true, [words]]);
});
