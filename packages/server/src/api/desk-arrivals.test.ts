/** What checkpoints signed on their phones: whoever carries it, their key and their standing now are what count. */
import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import type { ArrivalAnswer, ExpectedNext } from '@portcullis/contract';
import { CompactSign } from 'jose';
import { FleetCertificates, type Leaf } from '../../test/fleet-certificates.ts';
import { putCertificate } from '../../test/records.ts';
import { arrive, openShipping, operator, type Shipping, ship } from '../../test/shipping.ts';
import { Buckets } from '../bounds/bounds.ts';
import { apiRoutes } from './routes.ts';

/** Refused arrivals of one test are few. */
const bucketsOf = () => new Buckets({ burst: 100, everyMs: 1_000, monotonic: () => 0 });
const fleet = await FleetCertificates.make();
const leaves = new Map<string, Leaf>();
for (const subject of ['factory', 'customs']) leaves.set(subject, await fleet.leaf({ subject, kind: 'checkpoint' }));

async function open(context: Parameters<typeof openShipping>[0]): Promise<Shipping> {
  const shipping = await openShipping(context);
  for (const [subject, { cert, fingerprint }] of leaves) {
    const der = new X509Certificate(cert).raw;
    await putCertificate(shipping, subject, subject, { der, fingerprint });
  }
  await ship(shipping, 'box-1');
  return shipping;
}

const type = 'portcullis-arrival+jwt';
interface Signs {
  by?: string;
  key?: string;
  typ?: string;
}

function signed(said: object, { by = 'factory', key = by, typ = type }: Signs = {}): Promise<string> {
  const thumbprint = Buffer.from((leaves.get(by) as Leaf).fingerprint, 'hex').toString('base64url');
  return new CompactSign(Buffer.from(JSON.stringify(said)))
    .setProtectedHeader({ alg: 'ES256', typ, 'x5t#S256': thumbprint })
    .sign(createPrivateKey((leaves.get(key) as Leaf).key));
}

interface Asked {
  path: '/v1/desk/arrivals' | '/v1/desk/looks';
  asked: object;
}

/** As the desk hands it on: what is answered, with its status. */
async function relay<Answer>(rooms: Shipping, { path, asked }: Asked): Promise<Answer & { status: number }> {
  const row = apiRoutes.find((one) => one.path === path) ?? assert.fail();
  let status = 200;
  const reply = { code: (given: number) => (status = given) };
  const body = row.schemas.body?.parse({ from: '192.0.2.1', asked });
  const answer = await row.handle({ refusedArrivals: bucketsOf(), ...rooms } as never, { body, reply } as never);
  return { ...(answer as Answer), status };
}
const tell = (rooms: Shipping, arrival: string) =>
  relay<ArrivalAnswer>(rooms, { path: '/v1/desk/arrivals', asked: { arrival } });
const look = (rooms: Shipping, token: string) =>
  relay<ExpectedNext>(rooms, { path: '/v1/desk/looks', asked: { look: token } });

const said = ({ clock }: Shipping, more: object = {}) => ({
  ...{ shipment: 'box-1', arrival: 'scan-1', at: new Date(clock.now).toISOString() },
  ...more,
});

test('a signed arrival is recorded, keeps its signature, and the same again is answered the same', async (context) => {
  const shipping = await open(context);
  const token = await signed(said(shipping, { note: 'pallet 4' }));
  const { status, ...answer } = await tell(shipping, token);
  assert.deepEqual([status, answer.outcome, answer.step, answer.next], [201, 'recorded', 'factory', ['pickup']]);
  assert.deepEqual(await tell(shipping, token), { status, ...answer });
  const { arrivals } = await shipping.journeys.read('box-1');
  assert.deepEqual([arrivals.length, arrivals[0]?.signature, arrivals[0]?.checkpoint], [1, token, 'factory']);
  const again = await signed(said(shipping, { note: 'pallet 4' }));
  assert.deepEqual(await tell(shipping, again), { status, ...answer });
});

test('an arrival that waits is 202, and one out of sequence a problem with what is expected', async (context) => {
  const shipping = await open(context);
  await assert.rejects(tell(shipping, await signed(said(shipping), { by: 'customs' })), {
    code: 'out_of_sequence',
    detail: { expected: ['factory'], found: 'export-customs' },
  });
  await arrive(shipping, 'factory', 'box-1');
  await arrive(shipping, 'trucker', 'box-1');
  const claimed = said(shipping, { arrival: 'scan-2', step: 'export-customs' });
  shipping.clock.now += 3_600_000;
  await arrive(shipping, 'ship', 'box-1');
  assert.equal((await tell(shipping, await signed(claimed, { by: 'customs' }))).outcome, 'recorded');
  assert.equal((await shipping.journeys.read('box-1')).step, 'loaded');
});

test('what is not signed by a checkpoint that is admitted now is refused in one way, and nothing of it is kept', async (context) => {
  const shipping = await open(context);
  const position = shipping.journal.head().position;
  const good = await signed(said(shipping));
  const [header = '', payload = '', signature = ''] = good.split('.');
  const other = Buffer.from(JSON.stringify(said(shipping, { arrival: 'a-9' }))).toString('base64url');
  const none = Buffer.from(JSON.stringify({ alg: 'none', typ: type })).toString('base64url');
  const forged = [
    await signed(said(shipping), { by: 'customs', key: 'factory' }),
    await signed(said(shipping), { typ: 'portcullis-look+jwt' }),
    `${header}.${other}.${signature}`,
    `${none}.${payload}.${signature}`,
    `${header}.${payload}.${signature.replace(/./g, 'A')}`,
  ];
  for (const token of forged) await assert.rejects(tell(shipping, token), { code: 'arrival_not_authentic' });
  await shipping.revocation.change(operator, { subject: 'factory', action: 'suspend' } as never);
  await assert.rejects(tell(shipping, good), { code: 'arrival_not_authentic' });
  assert.equal(shipping.journal.head().position, position + 1);
  await assert.rejects(tell(shipping, 'a.b'), /JWS/);
});

test('a signed body with members that are not known, or a number for a name, is malformed', async (context) => {
  const shipping = await open(context);
  for (const more of [
    { role: 'clinic' },
    { step: 7 },
    { at: 'now' },
    { shipment: '../box' },
    { note: 'x'.repeat(501) },
  ])
    await assert.rejects(tell(shipping, await signed(said(shipping, more))), { code: 'request_malformed' });
});

test('a look says what is expected, and an old one is none', async (context) => {
  const shipping = await open(context);
  const typ = 'portcullis-look+jwt';
  const asks = { shipment: 'box-1', at: new Date(shipping.clock.now).toISOString() };
  const token = await signed(asks, { typ });
  const { state, step, expected } = await look(shipping, token);
  assert.deepEqual([state, step, expected], ['created', null, [{ step: 'factory', yours: true }]]);
  const { expected: others } = await look(shipping, await signed(asks, { by: 'customs', typ }));
  assert.deepEqual(others, [{ step: 'factory', yours: false }]);
  await assert.rejects(look(shipping, await signed({ ...asks, shipment: 'box-9' }, { typ })), {
    code: 'subject_unknown',
  });
  shipping.clock.now += 600_000;
  await assert.rejects(look(shipping, token), { code: 'clock_too_far_off' });
});

test('P13: a checkpoint of which very many were refused is not looked at for a moment, and nothing of it is kept', async (context) => {
  const shipping = await open(context);
  const monotonic = () => shipping.clock.now;
  const rooms = { ...shipping, refusedArrivals: new Buckets({ burst: 3, everyMs: 1_000, monotonic }) };
  const wrong = async (arrival: string) => tell(rooms, await signed(said(shipping, { arrival }), { by: 'customs' }));
  for (const arrival of ['w-1', 'w-2', 'w-3']) await assert.rejects(wrong(arrival), { code: 'out_of_sequence' });
  await assert.rejects(wrong('w-4'), { code: 'rate_limited' });
  assert.equal((await shipping.journeys.read('box-1')).arrivals.length, 3);
  assert.equal((await tell(rooms, await signed(said(shipping)))).outcome, 'recorded');
  shipping.clock.now += 1_000;
  await assert.rejects(wrong('w-5'), { code: 'out_of_sequence' });
});
