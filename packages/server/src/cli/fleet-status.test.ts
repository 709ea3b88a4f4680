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
