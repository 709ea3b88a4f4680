import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { UsesReport } from '@portcullis/contract';
import type { Link } from '@portcullis/device';
import { type Delta, FedReplica, fingerprintNamed } from '../../../test/fed-replica.ts';
import { until } from '../../../test/open-front.ts';
import { createLog, realSystem } from '../../telemetry/telemetry.ts';
import { Bearer } from '../connections/bearer.ts';
import { Uses } from './uses.ts';

const hour = 3_600_000;

/** Of a subject that renewed: the older certificate, and the newer one. */
function renewed(subject: string, { now }: { now: number }, older: object = {}): Delta {
  return {
    subject,
    certificates: [
      { fingerprint: fingerprintNamed(`${subject} older`), notBefore: now - 9 * hour, ...older },
      { fingerprint: fingerprintNamed(`${subject} newer`), notBefore: now - hour },
    ],
  };
}

const connectionOf = (name: string) => new Bearer(Buffer.from(fingerprintNamed(name), 'hex'));

/** Over a replica that a test feeds, beside an authority that it plays. */
function open(context: TestContext) {
  const fed = new FedReplica();
  const told: string[][] = [];
  const authority = { status: 200 };
  const request = async ({ url, body }: { url: string; body: string }) => {
    assert.equal(url, 'https://authority/v1/renewals/uses');
    told.push(UsesReport.parse(JSON.parse(body)).certificates);
    return { status: authority.status, headers: {}, body: Buffer.from('{"confirmed":0}') };
  };
  const uses = new Uses({
    ...{ authority: 'https://authority', replica: fed.replica, log: createLog({ role: 'gate', level: 'silent' }) },
    ...{ validityTime: () => fed.clock.now, random: realSystem.random, gatherMs: 1 },
    link: () => ({ request }) as unknown as Link,
  });
  context.after(() => uses.stop());
  return { fed, told, authority, uses };
}

test('a certificate in use beside an older one is told once, however many connections it has', async (context) => {
  const { fed, told, uses } = open(context);
  fed.change([renewed('truck-1', fed.clock), renewed('truck-2', fed.clock)]);
  const connection = connectionOf('truck-1 newer');
  for (let count = 0; count < 3; count++) uses.note(connection);
  uses.note(connectionOf('truck-1 newer'));
  await until(() => told.length === 1, 'it is told');
  uses.note(connectionOf('truck-1 newer'));
  uses.note(connectionOf('truck-2 newer'));
  await until(() => told.length === 2, 'the other one is told');
  assert.deepEqual(told, [[fingerprintNamed('truck-1 newer')], [fingerprintNamed('truck-2 newer')]]);
});

test('nothing is told of the older one, of the only one that is left, and of one that is not known', async (context) => {
  const { fed, told, uses } = open(context);
  fed.change([
    renewed('truck-1', fed.clock),
    renewed('truck-2', fed.clock, { standing: 'superseded' }),
    renewed('truck-3', fed.clock, { notAfter: fed.clock.now - hour }),
    renewed('truck-4', fed.clock),
  ]);
  for (const name of ['truck-1 older', 'truck-2 newer', 'truck-3 newer', 'nobody']) uses.note(connectionOf(name));
  uses.note(connectionOf('truck-4 newer'));
  await until(() => told.length === 1, 'what is to be told is told');
  assert.deepEqual(told, [[fingerprintNamed('truck-4 newer')]]);
});

test('what an authority does not take, or an earlier one does not know, is told again, at most a hundred at once', async (context) => {
  const { fed, told, authority, uses } = open(context);
  const trucks = Array.from({ length: 150 }, (_, number) => `truck-${number}`);
  fed.change(trucks.map((truck) => renewed(truck, fed.clock)));
  authority.status = 404;
  for (const truck of trucks) uses.note(connectionOf(`${truck} newer`));
  await until(() => told.length >= 2, 'it tries again');
  authority.status = 200;
  await until(() => new Set(told.flat()).size === 150, 'all are told');
  assert.ok(told.every(({ length }) => length <= 100));
});
