/** An index over a part of a table is used only where a query says that part in so many words: SQLite plans before it knows a parameter. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { openRecords, putSubject, type Records } from '../../../test/records.ts';
import { arrive, ship, shippingOver } from '../../../test/shipping.ts';
import { alert, delivery, signalsOver } from '../../../test/signals.ts';
import { beginNext } from '../../alerts/queue.ts';
import { routeSome } from '../../alerts/routing.ts';
import { listPending } from '../../enrolment/est/pending.ts';
import { PublicFeed } from '../../feed/public-feed.ts';
import { JourneyClock } from '../../journeys/clock.ts';
import { stepsOf, Versions } from '../../journeys/shipment.ts';
import { fileKeys } from '../../keys/keys.ts';
import { expiringCertificates, openLists } from '../../revocation/revocation.ts';
import { createLog } from '../../telemetry/telemetry.ts';

test('each index over a part of a table is used by the queries that it is for', async (context) => {
  const texts = new Set<string>();
  const { prepare } = DatabaseSync.prototype;
  context.mock.method(DatabaseSync.prototype, 'prepare', function (this: DatabaseSync, text: string) {
    texts.add(text);
    return prepare.call(this, text);
  });
  const records = await openRecords(context);
  await putSubject(records, 'truck-1');
  const { store, journal, attributes, revocation, codes, system } = records;
  await attributes.read('truck-1');
  await revocation.ending(1_000);
  await revocation.list({ limit: 10, endsBefore: new Date(system.now()).toISOString() } as never);
  const over = new AbortController();
  const write = async ({ type }: { type: string }) => (type === 'beat' ? over.abort() : undefined);
  await new PublicFeed({ store, journal, attributes, codes, now: system.now, write, signal: over.signal }).run();
  const manner = { name: 'duty', groupWaitMs: 0, repeatMs: 1_000, settled: true, leases: false };
  await store.change(async (db) => {
    await records.alerts.raise(db, { kind: 'test', key: 'a', subject: null, at: 0, says: '', detail: {} });
    await routeSome(db, { manners: [manner], routes: undefined, system });
    await beginNext(db, manner, system.now());
    await expiringCertificates(db, { now: 0, until: 1, limit: 1 });
  });
  await putList(records);
  await putPending(records);
  await listPending(records as never, { limit: 10 });
  const signals = await signalsOver(records);
  context.after(() => signals[Symbol.asyncDispose]());
  await signals.receive('plant', delivery(alert('truck-1')));
  await signals.list({ limit: 10 });
  await signals.heldBy(['truck-1'], ['status']);
  await signals.look();
  const shipping = await shippingOver(context, records);
  await ship(shipping, 'box-1');
  for (const checkpoint of ['factory', 'trucker', 'ship', 'ship']) await arrive(shipping, checkpoint, 'box-1');
  for (const state of ['moving', 'stopped'] as const) await shipping.journeys.shipments({ limit: 10, state });
  const versions = new Versions();
  await new JourneyClock({ store, journal, alerts: records.alerts, versions, now: system.now }).tick();
  await store.read((db) => stepsOf(db, 'box-1'));
  await store.read((db) => shipping.journeys.namedIn(db, 'factory', '', 10));
  const plans = await store.change(async () => {
    const database = new DatabaseSync(`${records.directory}/store.db`, { readOnly: true });
    const plan = (text: string) =>
      prepare
        .call(database, `EXPLAIN QUERY PLAN ${text}`)
        .all()
        .map(({ detail }) => detail);
    const found = [...texts].filter((text) => text.startsWith('select')).map((text) => [text, plan(text).join('; ')]);
    database.close();
    return found as [string, string][];
  });
  const of = (words: RegExp) => plans.filter(([text]) => words.test(text));
  for (const [words, index] of [
    [/from "holds" where "endedAt" is null and "endsAt" is not null/, /USING INDEX holdsByEnd/],
    [/from "holds" where "endedAt" is null and \("since" > /, /USING INDEX holdsLive/],
    [/from "holds" where "endedAt" is null and "subject" = \?/, /USING INDEX holdsBySubject/],
    [/from "holds" where "endedAt" is null and "subject" in/, /USING INDEX holdsBySubject/],
    [/from "holds" where "source" = \? and "since" > \?/, /USING (COVERING )?INDEX holdsBySince/],
    [/count\(\*\) as "live" from "holds" where "source" = \? and "endedAt" is null/, /USING INDEX holdsLiveBySource/],
    [/from "holds" where "source" = \? and "key" in/, /USING INDEX holdsByKey/],
    [/from "holds" where "endedAt" is null and source \|\| '' = \? and "subject" in/, /USING INDEX holdsBySubject/],
    [/from "signals" where "state" = 'claimed_resolved'/, /USING (COVERING )?INDEX signalsClaimed/],
    [/from "alerts" where "toRoute" > 0/, /USING (COVERING )?INDEX alertsToRoute/],
    [/from "alertMessages" where .*"triedSince" is null/, /USING INDEX alertMessagesOpen/],
    [/from "alertMessages" where .*"dueAt" is not null and "dueAt" <= \?/, /USING INDEX alertMessagesDue/],
    [/"certificates"\."notAfter", "certificates"\."fingerprint"\) > /, /USING INDEX certificatesByEnd/],
    [/distinct "subject" from "factoryEnrolments" /, /USING (COVERING )?INDEX factoryEnrolmentsPending/],
    [/distinct "subject" from "estRequests" /, /USING (COVERING )?INDEX estRequestsPending/],
    [/from "estRequests" where "approvedAt" is null and "subject" in/, /USING (COVERING )?INDEX estRequestsPending/],
    [/from "draftParts"/, /USING (COVERING )?INDEX draftPartsToMerge/],
    [/from "attributes" where "visibility"/, /USING COVERING INDEX attributesPublic/],
    [/from "certificates" .*"purpose" = 'client' and "notAfter" > \?/, /USING (COVERING )?INDEX certificatesByEnd/],
    [
      /from "certificates" where "issuer" = \? and "standing" in/,
      /USING (COVERING )?INDEX certificatesCut \(issuer=\?\)/,
    ],
    [/from "certificates" .*\("notAfter", "fingerprint"\) > /, /USING COVERING INDEX certificatesByEnd/],
    [
      /from "archivedCertificates" .*\("notAfter", "fingerprint"\) > /,
      /USING (COVERING )?INDEX archivedCertificatesByEnd/,
    ],
    [/from "shipments" where "ringAt" is not null/, /USING (COVERING )?INDEX shipmentsByRing/],
    [/from "shipments" inner join .*"stopped" = 0 and "course" = \?/, /USING (COVERING )?INDEX shipmentsByCourse/],
    [/from "shipments" inner join .*"stopped" = 1/, /USING (COVERING )?INDEX shipmentsStopped/],
    [
      /from "arrivals" where "waitsUntil" is not null and "waitsUntil" <= \?/,
      /USING (COVERING )?INDEX arrivalsThatWait/,
    ],
    [
      /from "arrivals" where "shipment" = \? and "waitsUntil" is not null/,
      /USING (COVERING )?INDEX arrivalsThatWaitByShipment/,
    ],
    [/from "arrivals" where "checkpoint" = \?/, /USING COVERING INDEX arrivalsThatCountByCheckpoint/],
    [/from "arrivals" where "shipment" = \? and "counts" is not null/, /USING (COVERING )?INDEX arrivalsThatCount/],
  ] as const) {
    assert.notEqual(of(words).length, 0, `no query ${words} in ${plans.map(([text]) => text).join('\n')}`);
    for (const [text, plan] of of(words)) assert.match(plan, index, `${text}\n${plan}`);
  }
});

/** Something waits: of nobody nothing more is asked. */
async function putPending({ store, clock }: Records): Promise<void> {
  const asked = { sender: 'a', request: 'r', subject: 'truck-1', publicKey: 'k', askedAt: clock.now, approvedAt: null };
  await store.change((db) => db.insertInto('estRequests').values(asked).execute());
}

async function putList({ directory, store, journal, system }: Records): Promise<void> {
  const signer = await fileKeys(directory).create('issuer');
  const issuer = {
    key: 'issuer',
    name: 'issuer',
    role: 'device' as const,
    notAfter: system.now() + 86_400_000,
    ...{ certificate: Buffer.alloc(0), serial: '', issuer: '' },
    signer,
  };
  const log = createLog({ role: 'authority', level: 'silent' });
  await using lists = await openLists({ store, journal, issuers: () => [issuer], system, log });
  await lists.settled();
}
