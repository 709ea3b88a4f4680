/** Certificates from PKCS#10 requests at the authority's records, each on disk and in the journal before it counts; CFSSL beside. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { FleetName, type KeyAlgorithm } from '@portcullis/contract';
import { makeKey, makeRequest } from '@portcullis/device';
import { type Issuance, makeFleet, openIssuance } from '../packages/server/src/issuance/issuance.ts';
import { fileKeys, type Keys } from '../packages/server/src/keys/keys.ts';
import { asking } from '../packages/server/test/asking.ts';
import { openRecords, type Records } from '../packages/server/test/records.ts';
import type { Row } from './bench.ts';
import { Cfssl, hasCfssl, type Signed } from './cfssl.ts';
import { rounded, thousands } from './measure.ts';

const certificates = 3_000;
const alone = 400;
const warmUps = 500;
const atOnce = 64;
const target = 2_500;
const timesPeer = 2;

const idOf = (index: number) => `truck-${index}`;

interface Ground {
  records: Records;
  issuance: Issuance;
  asked: Asked[];
}

interface Asked {
  subject: string;
  request: Buffer;
}

export async function benchIssue(): Promise<Row[]> {
  const [storing, signing, storingAlone] = await beside();
  const [together, single] = await ours('p-256');
  const [postQuantum] = await ours('ml-dsa-65');
  const said = (what: string) => `${what}, each on disk and in the journal`;
  return [
    row(said(`certificates of P-256, ${atOnce} at once`), together, storing, {
      name: 'CFSSL, stored in SQLite',
      least: Math.max(target, timesPeer * (storing?.perSecond ?? 0)),
    }),
    row(said('one at a time'), single, storingAlone, { name: 'CFSSL, stored in SQLite' }),
    row('beside one that stores nothing', together, signing, { name: 'CFSSL without a store' }),
    row(said(`certificates of ML-DSA-65, ${atOnce} at once`), postQuantum, undefined, {}),
  ];
}

function row(
  what: string,
  seen: Signed,
  peer: Signed | undefined,
  { name, least }: { name?: string; least?: number },
): Row {
  const ratio = peer ? `${(seen.perSecond / peer.perSecond).toFixed(2)} × ` : '';
  const absent = name === undefined ? 'none' : 'cfssl is not installed';
  return {
    what,
    ours: saidOf(seen),
    peer: peer ? `${ratio}${saidOf(peer)} (${name})` : absent,
    target: least === undefined ? '' : `≥ ${thousands(target)}/s, ≥ ${timesPeer} × CFSSL`,
    met: least === undefined ? null : seen.perSecond >= least,
  };
}

const saidOf = ({ perSecond, cpuMs }: Signed) => `${thousands(perSecond)}/s, ${rounded(cpuMs, 2)} ms CPU each`;

/** Many at once and one at a time, by a fleet whose keys are all of this algorithm. */
async function ours(algorithm: KeyAlgorithm): Promise<[Signed, Signed]> {
  const ends: (() => unknown)[] = [];
  const context = { after: (end: () => unknown) => ends.push(end) } as unknown as TestContext;
  try {
    const ground = await open(context, algorithm);
    await measured(ground, warmUps, atOnce);
    return [await measured(ground, certificates, atOnce), await measured(ground, alone, 1)];
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

async function open(context: TestContext, algorithm: KeyAlgorithm): Promise<Ground> {
  const records = await openRecords(context);
  const { directory, store, system, journal, attributes } = records;
  mkdirSync(join(directory, 'keys'));
  const files = fileKeys(join(directory, 'keys'));
  const keys: Keys = { open: files.open, create: (name) => files.create(name, algorithm) };
  const publicUrl = 'http://revocation.fleet.example:8086';
  await makeFleet({ store, keys, system, fleet: FleetName.parse('fleet-1'), publicUrl });
  const issuance = await openIssuance({ store, keys, system, publicUrl });
  const count = warmUps + certificates + alone;
  const asked = Array.from({ length: count }, (_, index) => {
    const subject = idOf(index);
    return { subject, request: makeRequest(makeKey(algorithm), subject) };
  });
  await journal.change({ actor: 'operator-1', action: 'tokens.create' }, async (change) => {
    for (const { subject } of asked) {
      const values = { subject, kind: 'device', attributes: { status: 'active' } } as const;
      await attributes.ensure(change, { ...values, readOnly: false });
    }
  });
  return { records, issuance, asked };
}

/** As whoever enrols has it done: the request checked, the certificate made, and on record by a revision of its own. */
async function issueOne({ records, issuance }: Ground, { subject, request }: Asked): Promise<void> {
  const signed = await issuance.issue(await issuance.check({ subject, kind: 'device', request, asking }));
  const entry = { actor: subject, action: 'certificates.enrol', together: true };
  await records.journal.change(entry, (change) => issuance.record(change, signed));
}

async function measured(ground: Ground, count: number, lanes: number): Promise<Signed> {
  const jobs = ground.asked.splice(0, count);
  let next = 0;
  const lane = async () => {
    for (let job = jobs[next++]; job; job = jobs[next++]) await issueOne(ground, job);
  };
  const [begun, used] = [performance.now(), process.cpuUsage()];
  await Promise.all(Array.from({ length: lanes }, lane));
  const ms = performance.now() - begun;
  const { user, system } = process.cpuUsage(used);
  return { perSecond: (count / ms) * 1_000, cpuMs: (user + system) / 1_000 / count };
}

/** Storing, many at once; without a store; storing, one at a time. */
async function beside(): Promise<(Signed | undefined)[]> {
  if (!hasCfssl()) return [];
  const cfssl = new Cfssl();
  try {
    const requests = Array.from({ length: certificates }, (_, index) => makeRequest(makeKey(), idOf(index)));
    return [
      await cfssl.sign(requests, atOnce, { stores: true }),
      await cfssl.sign(requests, atOnce, { stores: false }),
      await cfssl.sign(requests.slice(0, alone), 1, { stores: true }),
    ];
  } finally {
    cfssl.close();
  }
}
