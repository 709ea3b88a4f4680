/** What each of these stories begins with: a house with a short lease, an operator without start-up time, two devices. */
import assert from 'node:assert/strict';
import { Agent } from 'node:https';
import { join } from 'node:path';
import type { Receipt } from '@portcullis/contract';
import { eventually, House, type Pem, post, readingsUrl } from '../../house.ts';
import { Operator } from '../../operator.ts';

/** What a machine adds to a bound of the design: so much when it is idle, and in proportion to how long a command takes on it. */
const allowanceMs = 1_000;
const allowancePerInit = 3;

export interface Terms {
  leaseMs: number;
  patienceMs: number;
}

interface Answered {
  /** By this process's monotonic clock. */
  sentAt: number;
  status: number;
}

export class Scene {
  readonly house: House;
  readonly operator: Operator;
  readonly terms: Terms;
  /** Of `truck-17`, which is cut, and of `truck-18`, which nobody cuts. */
  readonly truck: Pem;
  readonly other: Pem;

  private constructor(house: House, operator: Operator, terms: Terms, [truck, other]: [Pem, Pem]) {
    this.house = house;
    this.operator = operator;
    this.terms = terms;
    this.truck = truck;
    this.other = other;
  }

  /** The shortest lease that this machine keeps, unless `choose` says otherwise. */
  static async open(
    configure: (house: House) => void | Promise<void> = () => undefined,
    choose: (house: House) => Terms = (house) => house.lease(2_000),
  ): Promise<Scene> {
    let terms: Terms = { leaseMs: 0, patienceMs: 0 };
    const house = await House.open(async (made) => {
      terms = choose(made);
      setTerms(made, terms);
      await configure(made);
    });
    const operator = new Operator(house.fleet);
    const enrolled = (subject: string) => operator.enrolled(subject, join(house.home, subject));
    try {
      return new Scene(house, operator, terms, [await enrolled('truck-17'), await enrolled('truck-18')]);
    } catch (error) {
      operator.close();
      await house.close();
      throw error;
    }
  }

  async statusOf(pem: Pem, url = readingsUrl(this.house)): Promise<number> {
    return (await post(url, pem, '{}')).status;
  }

  /** Both devices are as they should be at the beginning of a test, and the gate decides. */
  async settled(url = readingsUrl(this.house)): Promise<void> {
    await this.operator.set('truck-17', { status: 'active' });
    for (const pem of [this.truck, this.other]) {
      await eventually(async () => (await this.statusOf(pem, url)) === 202, 'admitted');
    }
  }

  /** After a receipt: the first try is not admitted, nor is any later one, and in the end the gate says that it knows. */
  async requireCut(pem = this.truck, url = readingsUrl(this.house)): Promise<void> {
    const refused = async () => {
      const status = await this.statusOf(pem, url);
      assert.notEqual(status, 202, 'a reading was admitted on the old state after the receipt');
      return status === 403;
    };
    await eventually(refused, 'refused for the change');
  }

  /** Rule 5: no receipt waits longer than the patience and a lease. */
  requireBounded({ elapsedMs }: Receipt, { leaseMs, patienceMs } = this.terms): void {
    const most = patienceMs + leaseMs * 1.02 + allowanceMs + allowancePerInit * this.house.initMs;
    assert.ok(elapsedMs !== null && elapsedMs <= most, `the receipt took ${elapsedMs} ms, and may take ${most}`);
  }

  /** After a test that may have failed half-way: nobody is left paused, and the next one is not held up. */
  resume(): void {
    for (const running of [this.house.authority, this.house.gate]) running?.process.kill('SIGCONT');
  }

  async close(): Promise<void> {
    this.operator.close();
    await this.house.close();
  }
}

export function setTerms(house: House, { leaseMs, patienceMs }: Terms): void {
  house.configure('fleet.yaml', (text) => {
    const others = text.split('\n').filter((line) => !/^(leaseMs|patienceMs):/.test(line));
    return `${others.join('\n').trimEnd()}\nleaseMs: ${leaseMs}\npatienceMs: ${patienceMs}\n`;
  });
}

/** A gate that could decide has applied it; one whose lease lapsed, as on a machine that is busy with other things, could not decide. */
export function requireInForce({ confirmed, gates }: Receipt, ...names: string[]): void {
  assert.equal(confirmed, true);
  assert.deepEqual(gates.map(({ gate }) => gate).toSorted(), names);
  for (const { outcome } of gates) assert.ok(['applied', 'lease_expired', 'no_lease'].includes(outcome), outcome);
}

export function outcomesOf({ gates }: Receipt): string[] {
  return gates.map(({ gate, outcome }) => `${gate} ${outcome}`);
}

/** Readings of one device, one after the other until it is disposed of: what it was answered to what it sent, and when. */
export class Sending {
  readonly answers: Answered[] = [];
  readonly #agent = new Agent({ keepAlive: true });
  readonly #ended: Promise<void>;
  #stopped = false;

  constructor(pem: Pem, url: string) {
    this.#ended = this.#run(pem, url);
  }

  async #run(pem: Pem, url: string): Promise<void> {
    while (!this.#stopped) {
      const sentAt = performance.now();
      // A connection that was cut is no answer; the next try is over a new one.
      const answer = await post(url, pem, '{}', {}, this.#agent).catch(() => undefined);
      if (answer) this.answers.push({ sentAt, status: answer.status });
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Of what was sent from then on. */
  statusesSince(time: number): Set<number> {
    return new Set(this.answers.filter(({ sentAt }) => sentAt >= time).map(({ status }) => status));
  }

  /** Nothing that was sent after this moment was admitted, and something was sent. */
  async requireNoneAdmittedSince(time: number, words: string): Promise<void> {
    await eventually(() => this.statusesSince(time).size > 0, `an answer to what was sent after ${words}`);
    assert.ok(!this.statusesSince(time).has(202), `a reading that was sent after ${words} was admitted`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#agent.destroy();
    await this.#ended;
  }
}
