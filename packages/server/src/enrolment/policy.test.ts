/** What `profiles.KIND.policy` says, on every way to a client certificate: a way around it would be a certificate that nobody wanted. */
import assert from 'node:assert/strict';
import { createPrivateKey, sign } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import {
  AttributesRequest,
  FactoryRequest,
  FleetName,
  firstReleaseBytes,
  IssuedCredential,
} from '@portcullis/contract';
import { makeKey, makeRequest } from '@portcullis/device';
import { address, estFleet, type HeldLeaf, leafIn, operator } from '../../test/est-fleet.ts';
import { Factory, skip } from '../../test/factory.ts';
import { issueLocally } from '../cli/issue-locally.ts';
import { toPem } from '../pki/pki.ts';

const day = 86_400_000;
const refused = { code: 'policy_not_met', message: /profiles\.device\.policy of the fleet does not allow it$/ };
type Fleet = Awaited<ReturnType<typeof estFleet>>;

const open = (context: TestContext, policy: string) => estFleet(context, { profiles: { device: { policy } } });

/** Enrolment and renewal as our own software asks for them, of the first release: without a proof that is signed for a desk. */
const enrolOwn = async ({ enrolment }: Fleet, secret: string, key = makeKey()) =>
  enrolment.enrol(address, { secret, request: makeRequest(key, 'truck-1').toString('base64') });

async function renewOwn({ enrolment }: Fleet, { key, der }: HeldLeaf) {
  const [nonce, request] = [enrolment.nonce(), makeRequest(makeKey(), 'truck-1').toString('base64')];
  const bytes = firstReleaseBytes('renewal', nonce, request);
  const signature = sign('sha256', bytes, createPrivateKey(key)).toString('base64');
  return enrolment.renew(address, { certificate: toPem('CERTIFICATE', der), nonce, request, signature });
}

async function counted({ store, journal, issuance }: Fleet) {
  const certificates = await store.read((db) => db.selectFrom('certificates').select('fingerprint').execute());
  const serials = await store.read((db) => db.selectFrom('serials').select('serial').execute());
  const entries = (await journal.entries(0, 1_000)).filter(({ action }) => action === 'certificates.refuse');
  const [[, refusals] = ['device', 0]] = issuance.policyRefusals();
  return { certificates: certificates.length, serials: serials.length, entries, refusals };
}

test('a token whose request the policy does not allow gets nothing, and nothing is signed; it is good once the policy allows it', async (context) => {
  const fleet = await open(context, 'has(attributes.approved) && attributes.approved');
  const secret = await fleet.token('truck-1', {});
  const key = makeKey();
  await assert.rejects(enrolOwn(fleet, secret, key), refused);
  await assert.rejects(enrolOwn(fleet, secret, key), refused);
  const { certificates, serials, entries, refusals } = await counted(fleet);
  assert.deepEqual([certificates, serials, refusals], [0, 0, 2]);
  const [one, ...more] = entries;
  assert.deepEqual(more, [], 'written down once a minute');
  assert.deepEqual(
    [one?.actor, one?.body],
    ['truck-1', { subject: 'truck-1', kind: 'device', way: 'token', est: false, why: 'it is false', reason: null }],
  );
  const set = AttributesRequest.parse({ subjects: ['truck-1'], set: { approved: true } });
  await fleet.attributes.change(operator, set);
  IssuedCredential.parse(await enrolOwn(fleet, secret, key));
});

/** Each would give a certificate, were it not for the policy. */
const paths: Record<string, (fleet: Fleet) => Promise<unknown>> = {
  'enrolment by a token': async (fleet) => enrolOwn(fleet, await fleet.token('truck-1', {})),
  'enrolment by EST': async ({ ask, token }) =>
    ask('enrol', makeRequest(makeKey(), 'truck-1'), { basic: { user: 'truck-1', password: await token('truck-1') } }),
  'enrolment by a factory’s certificate': async ({ est, ask }) => {
    const factory = new Factory();
    await est.addFactory(operator, FactoryRequest.parse({ name: 'maker', authorities: factory.certificate }));
    const chain = [factory.device().der.toString('base64')];
    return ask('enrol', makeRequest(makeKey(), 'x'), { chain });
  },
  'a certificate on the store itself': (fleet) => {
    const config = { fleet: FleetName.parse('fleet-1'), gates: [], authorityUrl: '', enrolmentUrl: '' };
    return issueLocally(fleet as never, config as never, { subject: 'truck-1', kind: 'device' });
  },
};
for (const [path, ask] of Object.entries(paths)) {
  test(`${path} asks the policy`, { skip }, async (context) => {
    await ask(await open(context, 'true'));
    const fleet = await open(context, 'false');
    await assert.rejects(ask(fleet), refused);
    assert.equal((await counted(fleet)).certificates, 0);
  });
}

const renewals: Record<string, (fleet: Fleet, held: HeldLeaf) => Promise<unknown>> = {
  'renewal as our own software asks for it': renewOwn,
  'renewal by EST': async (fleet, held) => leafIn(await fleet.renew(held, makeRequest(held.key, 'truck-1'))),
};
for (const [path, renew] of Object.entries(renewals)) {
  test(`${path} asks the policy`, async (context) => {
    for (const policy of ['true', 'request.way != "renewal"']) {
      const fleet = await open(context, policy);
      const held = await fleet.enrolled('truck-1');
      fleet.clock.now += 2 * day;
      if (policy === 'true') await renew(fleet, held);
      else await assert.rejects(renew(fleet, held), refused);
      assert.equal((await counted(fleet)).certificates, policy === 'true' ? 2 : 1);
    }
  });
}

test('what a policy sees of a way: how who asks is proven, and whether it came by EST', { skip }, async (context) => {
  const seen: [path: string, policy: string][] = [
    ['enrolment by a token', 'request.way == "token" && !request.est'],
    ['enrolment by EST', 'request.way == "token" && request.est'],
    [
      'enrolment by a factory’s certificate',
      'request.way == "factory" && request.est && attributes.serial == "SN-0001"',
    ],
    ['a certificate on the store itself', 'request.way == "operator" && !request.est'],
  ];
  for (const [path, policy] of seen) await paths[path]?.(await open(context, policy));
});

test('a policy is of one kind: others are not asked', async (context) => {
  const fleet = await estFleet(context, { profiles: { gateway: { policy: 'false' } } });
  await fleet.enrolled('truck-1');
  await assert.rejects(
    fleet.ask('enrol', makeRequest(makeKey(), 'g-1'), {
      basic: { user: 'g-1', password: await fleet.token('g-1', { est: true, kind: 'gateway' }) },
    }),
    { code: 'policy_not_met', message: /profiles\.gateway\.policy/ },
  );
});
