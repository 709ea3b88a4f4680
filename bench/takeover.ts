/** An authority that leads is killed, again and again: how long until the other one changes something, and until it gives receipts. */
import { once } from 'node:events';
import { Agent } from 'node:https';
import { ChangeAnswer, type Receipt } from '@portcullis/contract';
import { exchange } from '@portcullis/device';
import { decided, type House, type Pem, post, readingsUrl } from '../packages/server/test/house.ts';
import { Operator } from '../packages/server/test/operator.ts';
import { ask, dropSchema, newSchema, urlOf } from '../packages/server/test/postgres.ts';
import { TwoAuthorities } from '../packages/server/test/two-authorities.ts';
import type { Result, Row } from './bench.ts';
import { type Distribution, distributionOf } from './distribution.ts';
import { fillFleet } from './fleet.ts';
import { rounded, thousands } from './measure.ts';

const kills = 50;
const certificates = 1_000;
/** As `packages/server/src/storage/store/postgres/leadership.ts` and `fleet.yaml` have them. */
const [termMs, leaseMs] = [2_500, 5_000];
const slackMs = 1_000;
const device = 'truck-17';
const againMs = 20;
const answerMs = 1_000;

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** A device that sends one reading after another, and what it met. */
class Sender {
  readonly #house: House;
  readonly #pem: Pem;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #run: Promise<void>;
  #stopped = false;
  #acknowledgedAt = performance.now();
  longestGapMs = 0;
  refused = 0;

  constructor(house: House, pem: Pem) {
    this.#house = house;
    this.#pem = pem;
    this.#run = this.#send();
  }

  async #send(): Promise<void> {
    for (let count = 0; !this.#stopped; count++) {
      const body = JSON.stringify({ id: `reading-${count}`, data: { celsius: 4 } });
      const { status } = await post(readingsUrl(this.#house), this.#pem, body, {}, this.#agent);
      const now = performance.now();
      if (status === 202) {
        this.longestGapMs = Math.max(this.longestGapMs, now - this.#acknowledgedAt);
        this.#acknowledgedAt = now;
      } else this.refused++;
      await pause(againMs);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#run;
    this.#agent.destroy();
  }
}

/** The first that succeeds, however often it has to be asked. */
async function first<Value>(work: () => Promise<Value>, isIt: (value: Value) => boolean): Promise<number> {
  for (;;) {
    const value = await work().catch(() => undefined);
    if (value !== undefined && isIt(value)) return performance.now();
    await pause(againMs);
  }
}

interface Times {
  changes: number[];
  receipts: number[];
}

async function killAndWait(two: TwoAuthorities, operator: Operator, count: number, times: Times): Promise<void> {
  const { process: leader } = two.leader;
  const gone = once(leader, 'exit');
  const killedAt = performance.now();
  leader.kill('SIGKILL');
  await gone;
  const change = (set: object) => ({ subjects: [device], set });
  const url = `${operator.credential.authority}/v1/attributes`;
  const changed = () => exchange(operator.link, url, change({ kill: count }), ChangeAnswer, answerMs);
  times.changes.push((await first(changed, () => true)) - killedAt);
  const receipted = () => operator.change('attributes', change({ after: count }), answerMs);
  times.receipts.push((await first(receipted, ({ confirmed }: Receipt) => confirmed)) - killedAt);
}

/** Both stand as they do for hours: a lease is held, and the standby has seen who leads. */
async function settled(two: TwoAuthorities, pem: Pem): Promise<void> {
  await decided(readingsUrl(two.house), pem, JSON.stringify({ data: { settled: true } }));
  await pause(leaseMs);
}

export async function benchTakeover({ full }: { full: boolean }): Promise<Result> {
  const schema = newSchema();
  const count = full ? 100_000 : certificates;
  try {
    const two = await TwoAuthorities.open(urlOf(schema), (fleet) => fillFleet(fleet, count));
    try {
      return await measured(two, count);
    } finally {
      await two.close();
    }
  } finally {
    await dropSchema(schema);
  }
}

async function measured(two: TwoAuthorities, count: number): Promise<Result> {
  const { house } = two;
  const pem = await house.pem(await house.device(device));
  const operator = new Operator(house.fleet);
  const sender = new Sender(house, pem);
  const times: Times = { changes: [], receipts: [] };
  for (let kill = 1; kill <= kills; kill++) {
    await settled(two, pem);
    await killAndWait(two, operator, kill, times);
    await two.exchange();
  }
  await sender.stop();
  operator.close();
  const [{ server_version: peer } = { server_version: '' }] = await ask<{ server_version: string }>(
    'SHOW server_version',
  );
  const of = (what: string, list: number[]) =>
    distributionOf(`killed → ${what}, ${thousands(count)} certificates`, list);
  const [changes, receipts] = [of('a change is answered', times.changes), of('a receipt', times.receipts)];
  const rows = [
    rowOf(changes, termMs + slackMs, `on PostgreSQL ${peer}`),
    rowOf(receipts, termMs + leaseMs + slackMs, ''),
    {
      what: `the gate meanwhile: longest between two acknowledgements, and refusals, over ${kills} kills`,
      ours: `${rounded(sender.longestGapMs, 0)} ms, ${sender.refused}`,
      ...{ peer: '', target: '0 refusals', met: sender.refused === 0 },
    },
  ];
  return { rows, distributions: [changes, receipts] };
}

function rowOf({ what, count, p50, max }: Distribution, targetMs: number, peer: string): Row {
  const ours = `p50 ${rounded(p50, 0)} ms, worst of ${count} ${rounded(max, 0)} ms`;
  return { what, ours, peer, target: `≤ ${targetMs} ms`, met: max <= targetMs };
}
