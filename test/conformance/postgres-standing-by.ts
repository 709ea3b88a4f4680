/** An authority that stands by at PostgreSQL: what it answers, whom it believes, and what becomes of its listeners when it leads. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get as getPlain } from 'node:http';
import { get, type RequestOptions } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { failures } from '@portcullis/contract';
import { Link, readCredential } from '@portcullis/device/client';
import { eventually } from '../../packages/server/test/house.ts';
import { ask, freshDatabase, freshSchema, setReadOnly, skip } from '../../packages/server/test/postgres.ts';
import { TwoAuthorities } from '../../packages/server/test/two-authorities.ts';
import { finished, freeBasePort } from '../../tools/commands.ts';

async function asked(url: string, options: RequestOptions = {}) {
  const sent = (url.startsWith('https:') ? get : getPlain)(url, { ...options, agent: false as never });
  const [answer] = await once(sent, 'response');
  const { statusCode: status, headers } = answer;
  return { status, location: headers.location, retryAfter: headers['retry-after'], body: await text(answer) };
}

test('who stands by says who leads, to whom it knows; an operator who asks there is answered; it leads on the same ports', {
  skip,
}, async (context) => {
  const { url, schema } = freshSchema(context);
  const metrics = await freeBasePort();
  const two = await TwoAuthorities.open(url, async () => undefined, `metrics: {listen: '127.0.0.1:${metrics}'}\n`);
  context.after(() => two.close());
  const { house, leader, standby } = two;
  const [first, second] = [`https://localhost:${house.basePort}`, `https://localhost:${two.base}`];
  const enrolment = [`https://localhost:${house.basePort + 1}`, `https://localhost:${two.base + 1}`] as const;
  await standby.line(/answers who leads/);

  const file = join(house.fleet, 'operator.json');
  const { roots: ca, key, certificate, issuer, fleet, ...credential } = readCredential(file);
  const pem = { ca, key, cert: certificate + issuer };
  const path = '/v1/subjects?after=a%20b';
  const told = await asked(`${second}${path}`, pem);
  assert.deepEqual([told.status, told.location], [307, `${first}${path}`]);
  assert.match(told.body, /"reason":"not_leader"/);
  assert.equal((await asked(`${enrolment[1]}/v1/trust`, { ca })).location, `${enrolment[0]}/v1/trust`);
  await assert.rejects(asked(`${second}${path}`, { ca }), 'who has no certificate of the fleet is told nothing');
  const elsewhere = await asked(`${second}//elsewhere.example.org/`, pem);
  assert.equal(elsewhere.location, `${first}//elsewhere.example.org/`);
  for (const [page, status] of [
    ['livez', 200],
    ['readyz', 503],
  ] as const)
    assert.equal((await asked(`http://127.0.0.1:${metrics}/${page}`)).status, status);

  const link = (addresses: string[], follows: boolean) => {
    const trust = { roots: ca, fleet, credential: { ...credential, roots: ca, key, certificate, issuer } };
    const made = new Link({ ...trust, role: 'authority', addresses, follows });
    context.after(() => made.close());
    return made.request({ url: `${second}/v1/status` });
  };
  assert.equal((await link([second, first], true)).status, 200);
  assert.equal((await link([second, first], false)).status, 200);
  assert.equal((await link([second], true)).status, 307);

  // A request for names of somebody else is signed by nobody.
  const settings = async () =>
    (await ask<{ name: string }>(`SELECT name FROM ${schema}.settings WHERE name LIKE 'standby-%'`)).map(
      ({ name }) => name,
    );
  await eventually(async () => (await settings()).length === 0, 'what was signed is taken');
  const foreign = JSON.stringify({ request: 'MAA=', hosts: ['elsewhere.example.org'] });
  await ask(`INSERT INTO ${schema}.settings VALUES ('standby-request 1', '${foreign}')`);
  await leader.line(/asks for names that/);

  const gone = once(leader.process, 'exit');
  leader.process.kill('SIGKILL');
  await gone;
  await standby.line(/^authority listening/);
  assert.equal((await asked(`${second}/v1/status`, pem)).status, 200);
  assert.equal((await asked(`http://127.0.0.1:${metrics}/readyz`)).status, 200);
  assert.equal((await finished('portcullis', 'journal', 'verify', '--no-gates', '--fleet', house.fleet)).status, 0);
});

test('P10: who has a certificate of the fleet is told that the database is away, and not where it is', {
  skip,
}, async (context) => {
  const { url, database } = await freshDatabase(context);
  const two = await TwoAuthorities.open(url);
  context.after(() => two.close());
  await two.standby.line(/answers who leads/);
  await setReadOnly(database, 'on');
  await two.standby.line(/takes no changes.*will not lead/);
  const { roots: ca, key, certificate, issuer } = readCredential(join(two.house.fleet, 'operator.json'));
  const told = await asked(`https://localhost:${two.base}/v1/status`, { ca, key, cert: certificate + issuer });
  assert.equal(JSON.parse(told.body).against, failures.store_unavailable.title);
  assert.doesNotMatch(told.body, new RegExp(database));
});
