/** What a gate may ask of the feed: a gate that is captured learns no attribute that it was not given. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { credentialFileIn, Link, problemOf, readCredential } from '@portcullis/device';
import { finished, succeeded } from '../../../../../tools/commands.ts';
import { eventually, House, post, readingsUrl } from '../../house.ts';
import { Operator } from '../../operator.ts';

let house: House;
let operator: Operator;
let link: Link;

before(async () => {
  house = await House.open();
  operator = new Operator(house.fleet);
  const credential = readCredential(credentialFileIn(join(house.fleet, 'gate')));
  link = new Link({ roots: credential.roots, fleet: credential.fleet, role: 'authority', credential });
});
after(async () => {
  link?.close();
  operator?.close();
  await house?.close();
});

/** As who has taken over gate-1 would. */
async function feedOf(attributes: string) {
  const query = new URLSearchParams({ instance: 'a'.repeat(32), attributes, clock: String(Date.now()), snapshot: '1' });
  const url = `${operator.credential.authority}/v1/feed?${query}`;
  const answer = await link.stream({ url, signal: AbortSignal.timeout(60_000) });
  answer.on('error', () => undefined);
  return answer;
}

async function refusal(attributes: string): Promise<string> {
  const answer = await feedOf(attributes);
  const body = Buffer.concat(await answer.toArray());
  return problemOf({ status: answer.statusCode ?? 0, headers: answer.headers, body }).code;
}

const reads = (...words: string[]) => house.json('gate', 'reads', ...words);

test('a gate asks for what it may, and its open feed ends when that changes', async () => {
  const truck = await operator.enrolled('truck-17', join(house.home, 'truck-17'));
  const admitted = async () => (await post(readingsUrl(house), truck, '{"t":1}')).status;
  assert.deepEqual(await reads('gate-1'), [{ gate: 'gate-1', reads: null }]);
  const open = await feedOf('payroll');
  assert.equal(open.statusCode, 200);
  const ended = new Promise<void>((resolve) => open.resume().once('close', () => resolve()));
  assert.deepEqual(await reads('gate-1', 'status', '--reason', 'no other'), [{ gate: 'gate-1', reads: ['status'] }]);
  await ended;
  assert.equal(await refusal('payroll'), 'attributes_not_allowed');
  assert.equal(await refusal('status,payroll'), 'attributes_not_allowed');
  const within = await feedOf('status');
  assert.equal(within.statusCode, 200);
  within.destroy();
  await eventually(async () => (await admitted()) === 202, 'the gate itself goes on', 60_000);

  await reads('gate-1', 'site');
  await house.gate?.line(
    /"gate-1" may not ask for \[status\].*attributes_not_allowed|attributes_not_allowed.*"?gate-1/,
  );
  await operator.set('truck-17', { site: 'berlin' });
  await eventually(async () => (await admitted()) === 503, 'who is not told of a change decides nothing', 60_000);
  await reads('gate-1', '--any');
  await eventually(async () => (await admitted()) === 202, 'allowed again, it decides again', 60_000);
});

test('a token says what its new gate may ask for, and changes nothing of one that is there', async () => {
  await succeeded(
    'portcullis',
    'token',
    'create',
    'gate-2',
    '--kind',
    'gate',
    '--reads',
    'status',
    '--fleet',
    house.fleet,
  );
  assert.deepEqual(await reads('gate-2'), [{ gate: 'gate-2', reads: ['status'] }]);
  const again = ['token', 'create', 'gate-2', '--kind', 'gate', '--fleet', house.fleet];
  await succeeded('portcullis', ...again, '--reads', 'status');
  const other = await finished('portcullis', ...again, '--reads', 'payroll');
  assert.match(other.error, /changed by "portcullis gate reads"/);
  await assert.rejects(
    operator.link.request({ url: `${operator.credential.authority}/v1/gates/truck-17/reads` }).then(problemThrown),
    {
      code: 'subject_unknown',
    },
  );
});

function problemThrown(answer: Parameters<typeof problemOf>[0]): void {
  if (answer.status !== 200) throw problemOf(answer);
}
