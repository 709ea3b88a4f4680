/** What crosses to a desk that answers questions about certificates: how each stands, and each time that it changes. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { StandingsMessage } from '@portcullis/contract';
import { eventually } from '../../test/house.ts';
import { openIssuing } from '../../test/issuing-records.ts';
import { startedAt } from '../../test/records.ts';
import { StandingsFeed, type ToldIssuer } from './standings-feed.ts';

const day = 86_400_000;
const by = { actor: 'operator-1' };

/** `others`: issuers beside those that the fleet has. */
async function open(context: TestContext, others: readonly ToldIssuer[] = []) {
  const records = await openIssuing(context);
  const { journal, system, issuance, device } = records;
  /** By serial number: why it is not good, as it was told last. */
  const told = new Map<string, number | null>();
  const allIssuers = [...others, ...issuance.issuers()];
  let issuers: StandingsMessage & { type: 'issuers' };
  let beat = -1;
  const hear = async (message: StandingsMessage) => {
    const read = StandingsMessage.parse(JSON.parse(JSON.stringify(message)));
    if (read.type === 'issuers') issuers = read;
    else if (read.type === 'beat') beat = read.revision;
    else for (const [, serial, why] of read.items) told.set(serial, why);
  };
  const listen = async () => {
    const over = new AbortController();
    const parts = { ...records, issuers: () => allIssuers, now: system.now, write: hear, signal: over.signal };
    const feed = new StandingsFeed(parts).run();
    context.after(async () => {
      over.abort();
      await feed;
    });
    await eventually(() => beat === journal.head().revision, 'all was told');
  };
  const changed = async (action: string, subject: string, reasonCode?: string) => {
    const code = reasonCode === undefined ? {} : { reasonCode };
    await records.revocation.change(by, { action, subject, ...code } as never);
    await eventually(() => beat === journal.head().revision, 'the change was told');
  };
  return {
    ...records,
    device,
    told,
    listen,
    changed,
    issuersTold: () => issuers.issuers.map(({ fingerprint }) => fingerprint),
  };
}

test('all certificates are told first, the issuers among them; then what each change touched, with why', async (context) => {
  const { device, told, listen, changed, issuersTold } = await open(context);
  const [one, two] = [await device('truck-1'), await device('truck-2')];
  await listen();
  assert.equal(issuersTold().length, 3);
  assert.deepEqual([told.get(one), told.get(two), told.size], [null, null, 5]);
  await changed('suspend', 'truck-1');
  assert.equal(told.get(one), 6, 'certificateHold');
  await changed('resume', 'truck-1');
  assert.equal(told.get(one), null);
  await changed('revoke', 'truck-1', 'keyCompromise');
  await changed('revoke', 'truck-2');
  assert.deepEqual([told.get(one), told.get(two)], [1, 0]);
  await changed('revoke', 'truck-2', 'keyCompromise');
  assert.equal(told.get(two), 1, 'it was not known before');
  const three = await device('truck-3');
  await eventually(() => told.get(three) === null, 'a new one is told');
});

test('who was superseded is told as that until its certificate ends, also once it is archived', async (context) => {
  const { store, device, told, listen, clock, ...records } = await open(context);
  const serials = { superseded: await device('truck-1'), ended: await device('truck-2') };
  await store.change(async (db) => {
    for (const [name, serial] of Object.entries(serials)) {
      const row = await db
        .selectFrom('certificates')
        .selectAll()
        .where('serial', '=', serial)
        .executeTakeFirstOrThrow();
      const notAfter = name === 'ended' ? clock.now - 1 : row.notAfter;
      const archived = { ...row, notAfter, standing: 'superseded', archivedAt: clock.now };
      await db.insertInto('archivedCertificates').values(archived).execute();
      await db.deleteFrom('certificates').where('serial', '=', serial).execute();
    }
  });
  await listen();
  assert.equal(told.get(serials.superseded), 4);
  assert.equal(told.has(serials.ended), false);
  assert.equal(told.size, records.issuance.issuers().length + 1);
});

const issuerOf = (number: number, notAfter: number, issuer = 'nobody'): ToldIssuer => ({
  ...{ name: `issuer-${number}`, issuer, fingerprint: number.toString(16).padStart(64, '0') },
  ...{ serial: number.toString(16).padStart(32, '0'), certificate: Buffer.from('any') },
  ...{ notBefore: notAfter - 60 * day, notAfter },
});

test('of hundreds of issuers each is told; one that ended a week ago is left out, unless something below it goes on', async (context) => {
  const now = startedAt;
  const going = Array.from({ length: 300 }, (_, number) => issuerOf(number, now + day));
  const [ended, justEnded, above, outlived] = [
    issuerOf(400, now - 8 * day),
    issuerOf(401, now - 6 * day),
    issuerOf(402, now - 8 * day),
    issuerOf(403, now - 8 * day),
  ] as const;
  const below = issuerOf(404, now + day, above.name);
  const { told, listen, issue, device, store, issuersTold, ...records } = await open(context, [
    ...going,
    ended,
    justEnded,
    above,
    outlived,
    below,
  ]);
  await device('truck-1');
  const { fingerprint, serial } = await issue('truck-1');
  await store.change((db) =>
    db
      .updateTable('certificates')
      .set({ issuerFingerprint: outlived.fingerprint })
      .where('fingerprint', '=', fingerprint)
      .execute(),
  );
  await listen();
  const kept = [...going, justEnded, above, outlived, below, ...records.issuance.issuers()];
  assert.deepEqual(
    issuersTold(),
    kept.map((one) => one.fingerprint),
  );
  assert.equal(told.get(serial), null);
  assert.deepEqual([told.has(ended.serial), told.has(below.serial)], [false, true]);
});
