import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { der, FactoryRequest } from '@portcullis/contract';
import { makeKey, makeRequest } from '@portcullis/device';
import { estFleet, leafIn, operator } from '../../../test/est-fleet.ts';
import { Factory, type Made, skip } from '../../../test/factory.ts';
import { DerReader, tags } from '../../pki/read-der.ts';

async function withFactory(context: TestContext, factory: Factory, more: object = {}) {
  const fleet = await estFleet(context);
  const add = (name: string, authorities: string, other: object = more) =>
    fleet.est.addFactory(operator, FactoryRequest.parse({ name, authorities, ...other }));
  await add('maker', factory.certificate);
  const enrol = async (chain: readonly Pick<Made, 'der'>[], key = makeKey()) =>
    leafIn(await fleet.ask('enrol', makeRequest(key, 'x'), { chain: chain.map(({ der }) => der.toString('base64')) }));
  const valuesOf = async (subject: string) =>
    Object.fromEntries((await fleet.attributes.read(subject)).attributes.map(({ name, value }) => [name, value]));
  return { ...fleet, add, enrol, valuesOf };
}

test('a factory’s certificate enrols a subject that waits, by its serial number, until it is approved', {
  skip,
}, async (context) => {
  const factory = new Factory();
  const { enrol, valuesOf, est, journal } = await withFactory(context, factory);
  const leaf = new X509Certificate(await enrol([factory.device()]));
  assert.equal(leaf.subjectAltName, 'URI:spiffe://fleet-1/device/maker-sn-0001');
  assert.deepEqual(await valuesOf('maker-sn-0001'), { serial: 'SN-0001', status: 'pending' });
  const [waiting] = (await est.listPending({ limit: 10 })).items;
  assert.deepEqual([waiting?.subject, waiting?.what, waiting?.factory], ['maker-sn-0001', 'factory', 'maker']);
  await enrol([factory.device({ subject: '/serialNumber=SN-0002' })]);
  const before = journal.head().revision;
  const { revision, changed } = await est.approve(operator, { subjects: ['maker-sn-0001', 'maker-sn-0002'] as never });
  assert.deepEqual([revision, changed], [before + 1, 2], 'one revision');
  assert.deepEqual(await valuesOf('maker-sn-0002'), { serial: 'SN-0002', status: 'active' });
  assert.deepEqual((await est.listPending({ limit: 10 })).items, []);
});

test('the serial number may become an attribute, and what it becomes may have others', { skip }, async (context) => {
  const factory = new Factory();
  const more = { serialBecomes: 'attribute', kind: 'gateway', into: { status: 'new', site: 'berlin' } };
  const { enrol, valuesOf } = await withFactory(context, factory, more);
  const device = factory.device();
  const leaf = new X509Certificate(await enrol([device]));
  const subject = `maker-${new X509Certificate(device.der).fingerprint256.replaceAll(':', '').toLowerCase().slice(0, 16)}`;
  assert.equal(leaf.subjectAltName, `URI:spiffe://fleet-1/gateway/${subject}`);
  assert.deepEqual(await valuesOf(subject), { serial: 'SN-0001', status: 'new', site: 'berlin' });
});

test('IEEE 802.1AR: what a factory made never ends, and may name the hardware that it is in', {
  skip,
}, async (context) => {
  const factory = new Factory();
  const { enrol } = await withFactory(context, factory);
  const toYear9998 = Math.floor((Date.UTC(9998, 0, 1) - Date.now()) / 86_400_000);
  const extensions = [
    'basicConstraints=critical,CA:false',
    'keyUsage=critical,digitalSignature,keyEncipherment',
    'subjectAltName=otherName:1.3.6.1.5.5.7.8.4;UTF8:module 7',
  ];
  for (const algorithm of ['P-256', 'P-384', 'rsa2048']) {
    const subject = `/O=Maker/serialNumber=${algorithm}`;
    const device = factory.device({ subject, days: toYear9998, algorithm, extensions });
    const leaf = new X509Certificate(await enrol([device]));
    assert.equal(leaf.subjectAltName, `URI:spiffe://fleet-1/device/maker-${algorithm.toLowerCase()}`);
  }
});

test('P9: a factory’s certificate enrols once: the same key is answered again, another never, also after a revocation', {
  skip,
}, async (context) => {
  const factory = new Factory();
  const { enrol, revocation } = await withFactory(context, factory);
  const [device, key] = [factory.device(), makeKey()];
  const refused = { code: 'factory_refused' };
  const first = await enrol([device], key);
  assert.deepEqual(await enrol([device], key), first);
  await assert.rejects(enrol([device]), refused);
  await revocation.change(operator, { action: 'revoke', subjects: ['maker-sn-0001'] } as never);
  await assert.rejects(enrol([device], key), refused);
  await assert.rejects(enrol([device]), refused);
});

test('P9: a factory’s certificate whose signature is written in the other way is the same one, also where an earlier release enrolled it', {
  skip,
}, async (context) => {
  const factory = new Factory();
  const { enrol, store, est } = await withFactory(context, factory, { serialBecomes: 'attribute' });
  const [device, key] = [factory.device(), makeKey()];
  const twin = { der: otherSignature(device.der) };
  assert.notDeepEqual(twin.der, device.der);
  assert.ok(new X509Certificate(twin.der).verify(new X509Certificate(factory.der).publicKey));
  const first = await enrol([device], key);
  await assert.rejects(enrol([twin]), { code: 'factory_refused' });
  assert.deepEqual(await enrol([twin], key), first);
  const { items } = await est.listPending({ limit: 10 });
  assert.equal(items.length, 1);
  await store.change((db) => db.updateTable('factoryEnrolments').set({ content: null }).execute());
  await assert.rejects(enrol([device]), { code: 'factory_refused' }, 'by its fingerprint');
  await assert.rejects(enrol([twin]), { code: 'factory_refused' }, 'by that of the other way');
});

/** Of a certificate that was signed on P-256: with n - s in the place of s. */
function otherSignature(bytes: Buffer): Buffer {
  const parts = new DerReader(bytes).within(tags.sequence);
  const [signed, algorithm] = [parts.whole(tags.sequence), parts.whole(tags.sequence)];
  const signature = new DerReader(parts.read(tags.bits).subarray(1)).within(tags.sequence);
  const [r, s] = [signature.read(tags.integer), BigInt(`0x${signature.read(tags.integer).toString('hex')}`)];
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const other = Buffer.from((order - s).toString(16).padStart(64, '0'), 'hex');
  return der.sequence(signed, algorithm, der.bitString(der.sequence(der.integerOf(r), der.integerOf(other))));
}

test('a factory’s certificate never names a subject that is there', { skip }, async (context) => {
  const factory = new Factory();
  const { enrol, enrolled } = await withFactory(context, factory);
  await enrolled('maker-sn-0001');
  await assert.rejects(enrol([factory.device()]), { code: 'subject_exists' });
  await enrol([factory.device({ subject: '/serialNumber=SN-0002' })]);
  const same = factory.device({ subject: '/serialNumber=sn 0002' });
  await assert.rejects(enrol([same]), { code: 'subject_exists' }, 'written otherwise');
});

test('what no factory vouches for enrols nothing', { skip }, async (context) => {
  const factory = new Factory();
  const between = new Factory('Line 1', factory);
  const narrow = new Factory('Narrow', factory, {
    extensions: ['basicConstraints=critical,CA:true,pathlen:0', 'keyUsage=critical,keyCertSign'],
  });
  const { enrol, enrolled, clock, est, add } = await withFactory(context, factory);
  const other = new Factory('Factory');
  await enrol([between.device({ subject: '/serialNumber=1' }), between]);
  await enrol([narrow.device({ subject: '/serialNumber=2' }), narrow]);
  const belowNarrow = new Factory('Below', narrow);
  const maker = factory.device();
  const device = ['basicConstraints=critical,CA:false'];
  for (const [what, chain] of [
    ['of somebody else with the same name', [other.device()]],
    ['of somebody else, whose authority is sent along', [other.device(), other]],
    ['without the one between', [between.device()]],
    ['below one that may have none below', [belowNarrow.device(), belowNarrow, narrow]],
    ['an authority itself', [between]],
    ['made by a device', [factory.device({ by: maker }), maker]],
    ['that may not sign', [factory.device({ extensions: [...device, 'keyUsage=critical,keyEncipherment'] })]],
    ['for servers', [factory.device({ extensions: [...device, 'extendedKeyUsage=serverAuth'] })]],
    [
      'with a demand that nobody knows',
      [factory.device({ extensions: [...device, '1.3.6.1.4.1.99999.1=critical,DER:0500'] })],
    ],
    ['signed with SHA-1', [factory.device({ digest: 'sha1' })]],
    ['without a serial number', [factory.device({ subject: '/CN=device' })]],
    ['whose serial number is no part of an id', [factory.device({ subject: `/serialNumber=${'9'.repeat(60)}` })]],
    ['of the fleet itself', [await enrolled('truck-1')]],
    ['that can not be read', [{ der: Buffer.from('nothing') }]],
  ] as const) {
    await assert.rejects(enrol(chain), { code: 'factory_refused' }, what);
  }
  const late = factory.device({ days: 1, subject: '/serialNumber=3' });
  clock.now += 2 * 86_400_000;
  await assert.rejects(enrol([late]), { code: 'factory_refused' }, 'that ended');
  await est.removeFactory(operator, 'maker');
  await assert.rejects(
    enrol([factory.device({ subject: '/serialNumber=4' })]),
    { code: 'factory_refused' },
    'of one that was removed',
  );
  await assert.rejects(est.removeFactory(operator, 'maker'), { code: 'factory_unknown' });
  await add('maker', other.certificate);
  await enrol([other.device({ subject: '/serialNumber=4' })]);
  assert.equal((await est.listFactories())[0]?.enrolled, 3);
});

test('of what is presented no signature is verified by a key that may not issue, or is too costly', {
  skip,
}, async (context) => {
  const factory = new Factory();
  const { enrol } = await withFactory(context, factory);
  const maker = factory.device();
  const made = factory.device({ by: maker });
  const verify = context.mock.method(X509Certificate.prototype, 'verify');
  await assert.rejects(enrol([made, maker]), { code: 'factory_refused' });
  assert.equal(verify.mock.callCount(), 0);
  await enrol([factory.device()]);
  assert.equal(verify.mock.callCount(), 1);
});

test('a factory is added with authorities of its own, which may issue and are in force', { skip }, async (context) => {
  const factory = new Factory();
  const { add, issuance, store, est } = await withFactory(context, factory);
  const { roots } = issuance.bundle;
  const malformed = { code: 'request_malformed' };
  await assert.rejects(add('maker', factory.certificate), { code: 'factory_exists' });
  await assert.rejects(add('one', ''), malformed);
  await assert.rejects(add('one', factory.device().certificate), malformed);
  await assert.rejects(add('one', issuance.bundle.roots), malformed);
  await assert.rejects(add('one', issuance.bundle.issuers), malformed);
  await assert.rejects(add('one', factory.certificate.repeat(9)), malformed);
  const other = new Factory('Other');
  const two = { code: 'request_malformed', message: /"Factory" is an authority of the factory "maker" already/ };
  await assert.rejects(add('one', other.certificate + factory.certificate), two, 'under another name');
  const weak = new Factory('Weak', undefined, { algorithm: 'rsa1024' });
  await assert.rejects(add('one', weak.certificate), { code: 'request_malformed', message: /2048 to 8192 bits/ });
  await store.change((db) => db.updateTable('issuers').set({ state: 'retired' }).where('role', '=', 'root').execute());
  await issuance.reload();
  assert.equal(issuance.bundle.roots, '');
  await assert.rejects(add('one', roots), { code: 'request_malformed', message: /of this fleet, or was one/ });
  await est.removeFactory(operator, 'maker');
  await add('one', other.certificate + factory.certificate);
  assert.throws(() => FactoryRequest.parse({ name: 'A', authorities: factory.certificate }));
});

test('P6: two devices that ask with one factory’s certificate at once become one subject with one certificate', {
  skip,
}, async (context) => {
  const factory = new Factory();
  const { enrol, store } = await withFactory(context, factory);
  const device = factory.device();
  const settled = await Promise.allSettled([enrol([device]), enrol([device]), enrol([device])]);
  assert.equal(settled.filter(({ status }) => status === 'fulfilled').length, 1);
  const { length } = await store.read((db) => db.selectFrom('certificates').select('fingerprint').execute());
  assert.equal(length, 1);
});

test('what a factory’s certificate enrols shares its flush with others', {
  skip,
}, async (context) => {
  const factory = new Factory();
  const { enrol, store } = await withFactory(context, factory);
  const together = context.mock.method(store, 'changeTogether');
  await enrol([factory.device()]);
  assert.equal(together.mock.callCount(), 1);
});
