/** What cuts a shipment whose certificates no gate sees: its journey. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { putCertificate, putSubject, startedAt, subjectId } from '../../test/records.ts';
import { arrive, lane, openShipping, operator, outcomeOf, ship } from '../../test/shipping.ts';

test('P6: a shipment that is cut takes no arrival and is shown as stopped, until it is let go', async (context) => {
  const shipping = await openShipping(context);
  const { journal, revocation, journeys, store } = shipping;
  const asShown = async (id: string) => {
    const told = await store.read((db) => journeys.publicOf(db, [id]));
    const { state, expected } = await journeys.expected(id, 'factory');
    return [told.get(id)?.state, state, expected.length, (await journeys.read(id)).state];
  };
  const signal = { actor: 'monitor-1', action: 'signals.hold' };
  await putSubject(shipping, 'tracker-1');
  await journeys.create(operator, {
    shipment: subjectId('box-1'),
    journey: lane.journey,
    tracker: subjectId('tracker-1'),
  });
  await ship(shipping, 'box-2');
  await putCertificate(shipping, 'box-2', 'of its label', { purpose: 'label' });
  const say = (action: string) => revocation.change(operator, { action, subject: 'box-2' } as never);
  const cuts: [string, () => Promise<unknown>, () => Promise<unknown>][] = [
    [
      'box-1',
      () => journal.change(signal, (change) => revocation.hold(change, 'box-1')),
      () => journal.change(signal, (change) => revocation.letGo(change, 'box-1')),
    ],
    ['box-2', () => say('suspend'), () => say('resume')],
  ];
  for (const [id, cut, end] of cuts) {
    await cut();
    assert.equal(outcomeOf(await arrive(shipping, 'factory', id)), 'shipment_stopped');
    assert.deepEqual(await asShown(id), ['stopped', 'stopped', 0, 'stopped']);
    await end();
    assert.deepEqual(await asShown(id), ['created', 'created', 1, 'created']);
    assert.equal(outcomeOf(await arrive(shipping, 'factory', id)), 'recorded factory');
  }
  await say('revoke');
  assert.equal(outcomeOf(await arrive(shipping, 'trucker', 'box-2')), 'shipment_stopped');
  await putCertificate(shipping, 'box-2', 'a newer one', { issuedAt: startedAt + 1 });
  assert.equal(outcomeOf(await arrive(shipping, 'trucker', 'box-2')), 'recorded pickup');
});

test('P6: a cut of a shipment that has no certificate is refused, and says what stops it', async (context) => {
  const shipping = await openShipping(context);
  await ship(shipping, 'box-1');
  for (const action of ['suspend', 'resume', 'revoke']) {
    const cut = shipping.revocation.change(operator, { action, subject: 'box-1' } as never);
    await assert.rejects(cut, { code: 'certificate_unknown', message: /shipment stop/ });
  }
});
