/** Two authorities on PostgreSQL: receipts with eight gates, the feed to many, revocations in a large fleet. */
import { fork } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Receipt } from '@portcullis/contract';
import pg from 'pg';
import { eventually } from '../packages/server/test/house.ts';
import { Operator } from '../packages/server/test/operator.ts';
import { ask, dropSchema, newSchema, place, urlOf } from '../packages/server/test/postgres.ts';
import { TwoAuthorities } from '../packages/server/test/two-authorities.ts';
import type { Running } from '../tools/commands.ts';
import type { Result, Row } from './bench.ts';
import { joinGate, joinGateDirectory } from './cut.ts';
import { type Distribution, distributionOf, inShort } from './distribution.ts';
import { fillFleet, idOf } from './fleet.ts';
import { rounded, thousands } from './measure.ts';
import { type FollowersJob, type HaveIt, sharedMs } from './scale-followers.ts';

const few = 1_000;
const usual = 100_000;
const full = 1_000_000;
const gates = 8;
const changes = 500;
const revocations = 300;
const warmUps = 30;
const fans = [5, 50] as const;
/** As whom those follow: a gate may have some thirty instances at most. */
const identities = 5;
const device = 'truck-17';
const target = { receiptP99: 50, fan: 2, revoke: 1.2 };

type Give = (index: number) => Promise<Receipt>;

/** `onReceipt`: of those that count. */
async function timed(
  count: number,
  give: Give,
  onReceipt: (revision: number, sentAt: number) => void = () => undefined,
): Promise<number[]> {
  const times: number[] = [];
  for (let index = -warmUps; index < count; index++) {
    const sent = sharedMs();
    const { confirmed, revision } = await give(index + warmUps);
    if (!confirmed) throw new Error('a receipt was not confirmed');
    if (index < 0) continue;
    times.push(sharedMs() - sent);
    onReceipt(revision, sent);
  }
  return times;
}

const flip =
  (operator: Operator): Give =>
  (index) =>
    operator.set(device, { status: index % 2 === 0 ? 'off' : 'active' });

/** What the server itself takes for one row of a table that nobody else writes, committed. */
async function bareCommits(count: number): Promise<number[]> {
  const client = new pg.Client(place);
  await client.connect();
  const schema = newSchema();
  await client.query(`CREATE SCHEMA ${schema}; CREATE TABLE ${schema}.bare (id int PRIMARY KEY, value int);
    INSERT INTO ${schema}.bare VALUES (1, 0)`);
  const times: number[] = [];
  for (let index = 0; index < count; index++) {
    const sent = performance.now();
    await client.query(`UPDATE ${schema}.bare SET value = $1 WHERE id = 1`, [index]);
    times.push(performance.now() - sent);
  }
  await client.query(`DROP SCHEMA ${schema} CASCADE`);
  await client.end();
  return times;
}

interface Fleet {
  two: TwoAuthorities;
  operator: Operator;
  certificates: number;
}

async function withFleet<Value>(certificates: number, work: (fleet: Fleet) => Promise<Value>): Promise<Value> {
  said(`a fleet of ${thousands(certificates)} certificates`);
  const schema = newSchema();
  try {
    const fill = async (directory: string) => fillFleet(directory, certificates, await deviceIssuerIn(schema));
    const two = await TwoAuthorities.open(urlOf(schema), fill);
    await two.house.pem(await two.house.device(device));
    const operator = new Operator(two.house.fleet);
    try {
      return await work({ two, operator, certificates });
    } finally {
      operator.close();
      await two.close();
    }
  } finally {
    await dropSchema(schema);
  }
}

async function deviceIssuerIn(schema: string): Promise<string> {
  const [row] = await ask<{ certificate: string }>(`SELECT certificate FROM ${schema}.issuers WHERE role = 'device'`);
  return /CN=(.*)/.exec(new X509Certificate(row?.certificate ?? '').subject)?.[1] as string;
}

async function revoked({ operator }: Fleet): Promise<number[]> {
  return timed(revocations, (index) => operator.stand('revoke', idOf(index)));
}

/** With gates, and the revocations of the same fleet. */
async function measureGates(fleet: Fleet): Promise<{ receipts: number[]; revocations: number[] }> {
  const joined: Running[] = [];
  try {
    for (let number = 2; number <= gates; number++) joined.push(await joinGate(fleet.two.house, number));
    said(`${gates} gates`);
    return { receipts: await timed(changes, flip(fleet.operator)), revocations: await revoked(fleet) };
  } finally {
    for (const gate of joined) await gate.stop();
  }
}

interface Fan {
  /** Sent → the last of them has the change. */
  told: number[];
  receipts: number[];
}

/** No gate but those that follow. */
async function measureFans({ two: { house }, operator }: Fleet): Promise<Fan[]> {
  await house.gate?.stop();
  const credentials: string[] = [];
  for (let number = 1; number <= identities; number++)
    credentials.push(join(await joinGateDirectory(house, `fan-${number}`), 'gate/credential.json'));
  const found: Fan[] = [];
  for (const count of fans) {
    said(`${count} that follow`);
    const child = fork(join(import.meta.dirname, 'scale-followers.ts'), {
      execArgv: ['--conditions=portcullis-source'],
    });
    const toldAt = new Map<number, number>();
    const ready = new Promise<void>((resolve) =>
      child.on('message', (message: HaveIt | 'follow') => {
        if (message === 'follow') resolve();
        else toldAt.set(message.revision, message.at);
      }),
    );
    child.send({ credentials, count } satisfies FollowersJob);
    await ready;
    const sentAt = new Map<number, number>();
    const receipts = await timed(changes, flip(operator), (revision, sent) => sentAt.set(revision, sent));
    // The word of the last ones may still be on its way.
    await eventually(() => [...sentAt.keys()].every((revision) => toldAt.has(revision)), 'all have all of them');
    const told = [...sentAt].map(([revision, sent]) => (toldAt.get(revision) as number) - sent);
    found.push({ told, receipts });
    child.kill();
    await once(child, 'exit');
    // Their leases end.
    await operator.set(device, { status: 'active' });
  }
  return found;
}

type FanTimes = Record<'told' | 'receipts', Distribution>;

function rowOf(one: Distribution, peer: Distribution | undefined, wanted: string, met: boolean | null): Row {
  return { what: one.what, ours: inShort(one), peer: peer ? inShort(peer) : '', target: wanted, met };
}

function compared(one: Distribution, peer: Distribution, times: number): Row[] {
  const met = one.p50 <= times * peer.p50;
  return [rowOf(one, peer, `p50 ≤ ${times} × (${rounded(one.p50 / peer.p50, 2)} ×)`, met)];
}

export async function benchScale({ full: isFull }: { full: boolean }): Promise<Result> {
  const of = (what: string, times: number[]) => distributionOf(what, times);
  const bare = of('one row updated and committed by a bare client', await bareCommits(changes));
  const small = await withFleet(few, async (fleet) => ({
    revocations: of(`revocation sent → receipt, ${thousands(few)} certificates, 1 gate`, await revoked(fleet)),
    fans: (await measureFans(fleet)).map(({ told, receipts: times }, index) => ({
      told: of(`change sent → the last of ${fans[index]} that follow has it`, told),
      receipts: of(`change sent → receipt, ${fans[index]} that follow`, times),
    })),
  }));
  const large = await withFleet(usual, (fleet) => measureGates(fleet));
  const receipts = of(
    `change sent → receipt, 2 authorities, ${gates} gates, ${thousands(usual)} certificates`,
    large.receipts,
  );
  const among = of('revocation sent → receipt, the same', large.revocations);
  const [five, fifty] = small.fans as [FanTimes, FanTimes];
  const rows = [
    rowOf(receipts, bare, `p99 ≤ ${target.receiptP99} ms`, receipts.p99 <= target.receiptP99),
    rowOf(among, bare, '', null),
    ...compared(fifty.told, five.told, target.fan),
    rowOf(fifty.receipts, five.receipts, '', null),
  ];
  const distributions = [
    bare,
    receipts,
    among,
    ...small.fans.flatMap(({ told, receipts: times }) => [told, times]),
    small.revocations,
  ];
  if (isFull) {
    const million = of(
      `revocation sent → receipt, ${thousands(full)} certificates, 1 gate`,
      await withFleet(full, (fleet) => revoked(fleet)),
    );
    rows.push(...compared(million, small.revocations, target.revoke));
    distributions.push(million);
  }
  const [{ server_version: version } = { server_version: '' }] = await ask<{ server_version: string }>(
    'SHOW server_version',
  );
  said(`PostgreSQL ${version}`);
  return { rows, distributions };
}

/** On the other stream than the result. */
function said(what: string): void {
  process.stderr.write(`${what}\n`);
}
