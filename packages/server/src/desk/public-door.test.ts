import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { CheckpointPage } from './checkpoint-page.ts';
import { PublicDoor } from './public-door.ts';

const told = (body: string) => ({ status: 200, headers: {}, body });
const door = new PublicDoor({
  lookUps: { takes: (path: string) => path.startsWith('/v1/subjects/'), answer: async () => told('a look-up') },
  publication: { takes: (path: string) => path.startsWith('/v/'), answer: () => told('a public answer') },
  page: new CheckpointPage(),
  relaying: { answer: async () => told('what the authority said') },
} as unknown as ConstructorParameters<typeof PublicDoor>[0]);
const ask = (url: string, method = 'GET') =>
  door.answer({ url, method, headers: {}, socket: { remoteAddress: '192.0.2.1' } } as unknown as IncomingMessage);
const code = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

test('the Digital Link of a load leads to its page with the code, and nowhere without', async () => {
  for (const path of ['/01/06291041500213/21/A%2F1', '/00/106141412345678908']) {
    const { status, headers } = await ask(`${path}?code=${code.toLowerCase()}`);
    assert.deepEqual([status, headers.location], [303, `/v/${code}`]);
    assert.equal(headers['referrer-policy'], 'no-referrer');
    for (const query of ['', '?code=', '?code=0', `?code=${code}x`, `?kode=${code}`])
      await assert.rejects(ask(path + query), { code: 'subject_unknown' });
    await assert.rejects(ask(`${path}?code=${code}`, 'POST'), { code: 'method_not_allowed' });
  }
  await assert.rejects(ask(`/00/106141412345678900?code=${code}`), { code: 'request_malformed' });
});

test('the page of checkpoints is served where codes lead, and what it asks goes on to the authority', async () => {
  assert.match(String((await ask('/checkpoint')).body), /<title>Checkpoint</);
  for (const path of ['/v1/enrolments', '/v1/arrivals', '/v1/looks', '/v1/renewals'])
    assert.equal((await ask(path, 'POST')).body, 'what the authority said');
  assert.equal((await ask(`/v/${code}`)).body, 'a public answer');
  assert.equal((await ask('/v1/subjects/box-1')).body, 'a look-up');
  await assert.rejects(ask('/v1/renewals/gates', 'POST'), { code: 'route_unknown' });
});
