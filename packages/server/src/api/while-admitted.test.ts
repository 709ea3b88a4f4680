import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { openRecords, putCertificate, putSubject, type Records, startedAt } from '../../test/records.ts';
import { type Peer, requireAdmitted } from './peer.ts';
import { whileAdmitted } from './while-admitted.ts';

const by = { actor: 'operator-1' };
const day = 86_400_000;
/** What does not end is red soon. */
const soon = { timeout: 10_000 };

interface Watched extends Records {
  peer: Peer;
  /** How often the store was asked for a certificate. */
  judged: number;
}

/** A gate with a certificate that is admitted, and another gate. */
async function open(context: TestContext, notAfter = startedAt + 30 * day): Promise<Watched> {
  const records = await openRecords(context);
  for (const gate of ['gate-1', 'gate-2']) await putSubject(records, gate, 'gate', {});
  await putSubject(records, 'truck-17');
  const fingerprint = await putCertificate(records, 'gate-1', 'first', { notAfter });
  await putCertificate(records, 'gate-2', 'second');
  const peer = await requireAdmitted(records, fingerprint, ['gate']);
  const find = records.revocation.find;
  const watched = { ...records, peer, judged: 0 };
  watched.revocation = {
    ...records.revocation,
    find(fingerprint) {
      watched.judged++;
      return find(fingerprint);
    },
  };
  return watched;
}

/** Work that has no end of its own. */
function lasting(watched: Watched): { signal: Promise<AbortSignal>; ended: Promise<void> } {
  const begun = Promise.withResolvers<AbortSignal>();
  const ended = whileAdmitted(watched, watched.peer, (signal) => {
    begun.resolve(signal);
    return new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
  });
  ended.catch(begun.reject);
  return { signal: begun.promise, ended };
}

const endings: [string, (watched: Watched) => Promise<unknown>][] = [
  ['suspended', ({ revocation }) => revocation.change(by, { action: 'suspend', subject: 'gate-1' } as never)],
  ['revoked', ({ revocation }) => revocation.change(by, { action: 'revoke', subject: 'gate-1' } as never)],
  ['retired', ({ revocation }) => revocation.retire(by, 'gate-1')],
  [
    'superseded by a newer certificate',
    ({ journal, revocation, peer }) =>
      journal.change({ ...by, action: 'certificates.confirm' }, async (change) => {
        const row = await revocation.find(peer.fingerprint);
        await revocation.supersede(change, row as NonNullable<typeof row>);
      }),
  ],
];
for (const [what, change] of endings) {
  test(`A8: what lasts ends when its peer is ${what}`, soon, async (context) => {
    const watched = await open(context);
    const { signal, ended } = lasting(watched);
    assert.equal((await signal).aborted, false);
    await change(watched);
    await ended;
    assert.equal((await signal).aborted, true);
  });
}

test(
  'a change of somebody else is not looked at, one that leaves the peer admitted ends nothing',
  soon,
  async (context) => {
    const watched = await open(context);
    const { signal, ended } = lasting(watched);
    await signal;
    const before = watched.judged;
    await watched.revocation.change(by, { action: 'revoke', subject: 'gate-2' } as never);
    await watched.attributes.change(by, { subjects: ['truck-17'], set: { status: 'off' } } as never);
    assert.equal(watched.judged, before);
    await watched.attributes.change(by, { subjects: ['gate-1'], set: { site: 'berlin' } } as never);
    assert.equal(watched.judged, before + 1);
    await turn();
    assert.equal((await signal).aborted, false);
    await watched.revocation.change(by, { action: 'suspend', subject: 'gate-1' } as never);
    await ended;
  },
);

test('a cut between the judgement of the request and the start of the work refuses it', async (context) => {
  const watched = await open(context);
  await watched.revocation.change(by, { action: 'suspend', subject: 'gate-1' } as never);
  const { signal } = lasting(watched);
  await assert.rejects(signal, { code: 'not_authenticated' });
});

test('a cut after the certificate was read and before the work begins refuses it', soon, async (context) => {
  const watched = await open(context);
  const { find } = watched.revocation;
  watched.revocation.find = async (fingerprint) => {
    const read = await find(fingerprint);
    watched.revocation.find = find;
    await watched.revocation.change(by, { action: 'suspend', subject: 'gate-1' } as never);
    // Until the judgement that this change caused is over.
    await find(fingerprint);
    await turn();
    return read;
  };
  const { signal } = lasting(watched);
  await assert.rejects(signal, { code: 'not_authenticated' });
});

test('a store that can not answer ends the work', soon, async (context) => {
  const watched = await open(context);
  const { signal, ended } = lasting(watched);
  await signal;
  watched.revocation.find = () => Promise.reject(new Error('the disk is gone'));
  await watched.attributes.change(by, { subjects: ['gate-1'], set: { site: 'berlin' } } as never);
  await ended;
});

test('K4: what lasts ends with the certificate, also after 400 days, and not before', soon, async (context) => {
  // Before the journal has a timer of its own, which a mock could not clear.
  context.mock.timers.enable({ apis: ['setTimeout'], now: startedAt });
  const watched = await open(context, startedAt + 400 * day);
  const timers = context.mock.method(globalThis, 'setTimeout');
  const { signal, ended } = lasting(watched);
  const running = await signal;
  const hour = 3_600_000;
  for (let hours = 0; hours < 400 * 24; hours++) {
    watched.clock.now += hour;
    context.mock.timers.tick(hour);
  }
  assert.equal(running.aborted, false, 'valid to the end of its last millisecond');
  watched.clock.now += 1;
  context.mock.timers.tick(1);
  await ended;
  assert.equal(running.aborted, true);
  const longest = Math.max(...timers.mock.calls.map((call) => Number(call.arguments[1])));
  assert.ok(longest < 2 ** 31, `a timer of ${longest} ms would fire at once`);
});

test('work that is over leaves nothing behind', async (context) => {
  const watched = await open(context);
  assert.equal(await whileAdmitted(watched, watched.peer, async () => 'done'), 'done');
  const before = watched.judged;
  await watched.revocation.change(by, { action: 'suspend', subject: 'gate-1' } as never);
  assert.equal(watched.judged, before);
});
