import { createHash } from 'node:crypto';
import type { FeedMessage, Fingerprint, SnapshotSubject } from '@portcullis/contract';
import { type Ground, judge } from '../packages/server/src/gate/admission/admit.ts';
import { Bearer } from '../packages/server/src/gate/connections/bearer.ts';
import { compilePolicy } from '../packages/server/src/gate/policy/policy.ts';
import { Lease, Replica } from '../packages/server/src/replica/replica.ts';
import { realSystem } from '../packages/server/src/telemetry/telemetry.ts';
import type { Row } from './bench.ts';
import { quantile, rounded } from './measure.ts';

const certificates = 1_000_000;
const decisions = 200_000;
const zeros = '0'.repeat(64);

const fingerprintOf = (index: number) => createHash('sha256').update(`certificate ${index}`).digest();

/** Each enrolled by a change of its own, as a fleet grows. */
function subject(index: number): SnapshotSubject {
  const origin = { revision: index + 1, changedBy: 'operator-1', changedAt: new Date(1.7e12 + index).toISOString() };
  const validity = { notBefore: '2020-01-01T00:00:00.000Z', notAfter: '2090-01-01T00:00:00.000Z' };
  return {
    subject: `device-${index}`,
    kind: 'device',
    revision: index + 1,
    attributes: { status: { value: 'active', public: false, ...origin } },
    certificates: [
      { fingerprint: fingerprintOf(index).toString('hex') as Fingerprint, standing: 'valid', ...validity, ...origin },
    ],
  } as unknown as SnapshotSubject;
}

function memory(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function fill(receive: (page: SnapshotSubject[]) => void, complete: () => void = () => undefined): number {
  const before = memory();
  for (let from = 0; from < certificates; from += 1_000)
    receive(Array.from({ length: 1_000 }, (_, index) => subject(from + index)));
  complete();
  return (memory() - before) / certificates;
}

/** Nanoseconds for each decision over certificates in no order, in slices so that a slow moment is one slice. */
function time(decide: (fingerprint: Buffer) => boolean): { median: number; p99: number } {
  const asked = Array.from({ length: decisions }, (_, index) => fingerprintOf((index * 7_919) % certificates));
  for (const fingerprint of asked) decide(fingerprint);
  const slices: number[] = [];
  for (let from = 0; from < decisions; from += 100) {
    const started = process.hrtime.bigint();
    for (let index = from; index < from + 100; index++)
      if (!decide(asked[index] as Buffer)) throw new Error('it must be admitted');
    slices.push(Number(process.hrtime.bigint() - started) / 100);
  }
  return { median: quantile(slices, 0.5), p99: quantile(slices, 0.99) };
}

function ours(): { bytes: number; median: number; p99: number } {
  const replica = new Replica();
  const head = { revision: certificates, hash: zeros };
  replica.receive({ type: 'snapshot', fleet: 'bench', ...head } as FeedMessage);
  const loaded = () => {
    replica.receive({ type: 'complete', ...head });
    for (let beat = 0; beat < 50; beat++) replica.tend(Date.now());
  };
  const bytes = fill((subjects) => replica.receive({ type: 'subjects', subjects }), loaded);
  const lease = new Lease(realSystem);
  lease.granted(lease.sending(), 3_600_000);
  const policy = compilePolicy({ telemetry: { kinds: ['device'], expect: { status: 'active' } } }, 1);
  const now = Date.now();
  const ground = { replica, lease, policy, validityTime: () => now } as unknown as Ground;
  const stream = policy.streams.get('telemetry');
  // A bearer of its own for each decision: the look-up is part of it, as it is for the first reading of a connection.
  const timed = time(
    (fingerprint) => judge({ bearer: new Bearer(fingerprint), stream, data: [] }, ground) === undefined,
  );
  return { bytes, ...timed };
}

/** What one would write first: a map of objects. */
function plain(): { bytes: number; median: number; p99: number } {
  const known = new Map<string, SnapshotSubject>();
  const bytes = fill((subjects) => {
    for (const one of subjects) known.set(one.certificates[0]?.fingerprint ?? '', one);
  });
  const now = Date.now();
  const timed = time((fingerprint) => {
    const one = known.get(fingerprint.toString('hex'));
    const certificate = one?.certificates[0];
    if (!one || !certificate || certificate.standing !== 'valid') return false;
    if (now < Date.parse(certificate.notBefore) || now > Date.parse(certificate.notAfter)) return false;
    return (
      one.kind === 'device' &&
      Object.entries(one.attributes).every(([name, { value }]) => name !== 'status' || value === 'active')
    );
  });
  return { bytes, ...timed };
}

export async function benchDecide(): Promise<Row[]> {
  const [mine, peer] = [ours(), plain()];
  const microseconds = (nanoseconds: number) => `${rounded(nanoseconds / 1000, 2)} µs`;
  return [
    {
      what: 'decision, median',
      ours: microseconds(mine.median),
      peer: `${microseconds(peer.median)} (map of objects)`,
      target: '≤ 2 µs',
      met: mine.median <= 2_000,
    },
    {
      what: 'decision, p99 of slices of 100',
      ours: microseconds(mine.p99),
      peer: microseconds(peer.p99),
      target: '',
      met: null,
    },
    {
      what: 'memory per certificate',
      ours: `${rounded(mine.bytes, 0)} bytes`,
      peer: `${rounded(peer.bytes, 0)} bytes`,
      target: '≤ 150 bytes',
      met: mine.bytes <= 150,
    },
  ];
}
