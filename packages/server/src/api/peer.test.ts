import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { FastifyRequest } from 'fastify';
import { openRecords, putCertificate, putSubject, startedAt } from '../../test/records.ts';
import { requirePeer } from './peer.ts';

const by = { actor: 'operator-1' };
const day = 86_400_000;

/** A connection that presented the leaf of this name. */
class Connection {
  authorized = true;
  asked = 0;
  readonly #leaf: string | undefined;

  constructor(leaf: string | undefined) {
    this.#leaf = leaf;
  }

  getPeerCertificate() {
    this.asked++;
    return this.#leaf === undefined ? {} : { raw: Buffer.from(this.#leaf) };
  }
}

async function open(context: TestContext) {
  const records = await openRecords(context);
  await putSubject(records, 'anna', 'operator', {});
  await putSubject(records, 'bert', 'operator', {});
  const fingerprint = await putCertificate(records, 'anna', 'leaf');
  await putCertificate(records, 'bert', 'another', { confirmed: 1 });
  const ask = (connection: object, kinds = ['operator'] as const) =>
    requirePeer(records, { raw: { socket: connection } } as FastifyRequest, kinds);
  return { records, fingerprint, ask };
}

const refused = { code: 'not_authenticated' };

test('P3: a peer is who it is by the leaf of its connection, which is read once; its standing is looked at each time', async (context) => {
  const { records, fingerprint, ask } = await open(context);
  const connection = new Connection('leaf');
  const { subject, kind, notAfter } = await ask(connection);
  assert.deepEqual([subject, kind, notAfter], ['anna', 'operator', startedAt + 30 * day]);
  assert.equal((await ask(connection)).fingerprint, fingerprint);
  assert.equal(connection.asked, 1);
  await records.revocation.change(by, { action: 'suspend', subject: 'anna' } as never);
  await assert.rejects(ask(connection), refused);
  await records.revocation.change(by, { action: 'resume', subject: 'anna' } as never);
  assert.equal((await ask(connection)).subject, 'anna');
  records.clock.now = startedAt + 30 * day + 1;
  await assert.rejects(ask(connection), refused);
});

test('each connection is who presented its own leaf', async (context) => {
  const { ask } = await open(context);
  const [anna, bert] = [new Connection('leaf'), new Connection('another')];
  const subjects = [await ask(anna), await ask(bert), await ask(anna)].map(({ subject }) => subject);
  assert.deepEqual(subjects, ['anna', 'bert', 'anna']);
});

const nobodies: [string, () => object][] = [
  ['without a leaf', () => new Connection(undefined)],
  ['with a leaf that no row knows', () => new Connection('forged')],
  ['whose handshake did not verify', () => Object.assign(new Connection('leaf'), { authorized: false })],
  [
    'that can not be asked',
    () =>
      Object.assign(new Connection('leaf'), {
        getPeerCertificate() {
          throw new Error('the connection is gone');
        },
      }),
  ],
];
for (const [what, make] of nobodies) {
  test(`P3: a connection ${what} is nobody`, async (context) => {
    const { ask } = await open(context);
    await assert.rejects(ask(make()), refused);
  });
}

test('a route admits only its kinds', async (context) => {
  const { ask } = await open(context);
  await assert.rejects(ask(new Connection('leaf'), ['gate'] as never), { code: 'kind_not_allowed' });
});
