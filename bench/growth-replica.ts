/** A process of its own that fills the replica of one tree as a fleet grows, and tells what a certificate takes. Arguments: the tree. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { FeedMessage } from '@portcullis/contract';
import type { Replica as OurReplica } from '../packages/server/src/replica/replica.ts';

/** As full as a million is in the index of fingerprints. */
const certificates = 250_000;
const renewals = 12;
const dayMs = 86_400_000;
/** A certificate is of 30 days and renewed after 20; devices were enrolled one after the other in the first 20 days. */
const [lifetimeMs, renewedAfterMs] = [30 * dayMs, 20 * dayMs];
const start = Date.parse('2030-01-01T00:00:00Z');
/** A beat, as seldom as the busiest gate hears one. */
const changesPerBeat = 100;
const turnsPerLook = 50;

export interface Grown {
  /** Bytes for each certificate that is in use. */
  snapshot: number;
  enrolled: number;
  renewed: number;
  /** Milliseconds of CPU; no turn took longer. */
  longestMs: number;
}

type Tended = Omit<OurReplica, 'tend'> & { tend?(now: number): void };
const { Replica } = (await import(join(process.argv[2] ?? '', 'packages/server/src/replica/replica.ts'))) as {
  Replica: new () => Tended;
};

const text = (at: number) => new Date(at).toISOString();
const nameOf = (index: number) => `device-${index}`;
const timeOf = (index: number, round: number) =>
  start + Math.floor((index / certificates) * renewedAfterMs) + round * renewedAfterMs;
const fingerprintOf = (index: number, round: number) => createHash('sha256').update(`${index} ${round}`).digest('hex');

function certificateOf(index: number, round: number, standing: string) {
  const from = timeOf(index, round);
  return {
    fingerprint: fingerprintOf(index, round),
    standing,
    notBefore: text(from),
    notAfter: text(from + lifetimeMs),
  };
}

function memory(): number {
  for (let time = 0; time < 3; time++) globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

class Filled {
  readonly replica = new Replica();
  readonly #before = memory();
  #revision = 0;
  #changes = 0;
  #longest = 0;
  #turns = 0;
  #looked = process.threadCpuUsage();

  receive(message: object): void {
    this.#timed(() => this.replica.receive(message as FeedMessage));
  }

  /** What the feed says of one change. */
  change(at: number, actor: string, delta: object): void {
    const hash = '0'.repeat(64);
    this.receive({ type: 'change', revision: ++this.#revision, hash, at: text(at), actor, subjects: [delta] });
    if (++this.#changes % changesPerBeat === 0) this.#timed(() => this.replica.tend?.(at));
  }

  /**
   * By the CPU of this thread, which other work on the machine does not make longer. Looking at it takes longer than a turn, so
   * that it is looked at after some: none of them took longer than all.
   */
  #timed(turn: () => void): void {
    turn();
    if (++this.#turns % turnsPerLook !== 0) return;
    const { user, system } = process.threadCpuUsage(this.#looked);
    this.#longest = Math.max(this.#longest, (user + system) / 1_000);
    this.#looked = process.threadCpuUsage();
  }

  empty(): void {
    const head = { revision: 0, hash: '0'.repeat(64) };
    this.receive({ type: 'snapshot', fleet: 'bench', ...head });
    this.receive({ type: 'complete', ...head });
  }

  get longestMs(): number {
    return this.#longest;
  }

  bytes(): number {
    const bytes = (memory() - this.#before) / certificates;
    // What collecting took is no turn of a gate.
    this.#looked = process.threadCpuUsage();
    return bytes;
  }
}

/** A token of its own by an operator, then the enrolment by the device. */
function enrol(filled: Filled, index: number): void {
  const named = { subject: nameOf(index), kind: 'device' };
  const at = timeOf(index, 0);
  filled.change(at - 60_000, 'operator-1', { ...named, attributes: { status: { value: 'active', public: false } } });
  filled.change(at, nameOf(index), { ...named, certificates: [certificateOf(index, 0, 'valid')] });
}

/** A renewal, and its confirmation, which supersedes the one before it. */
function renew(filled: Filled, index: number, round: number): void {
  const named = { subject: nameOf(index), kind: 'device' };
  const at = timeOf(index, round);
  filled.change(at, nameOf(index), { ...named, certificates: [certificateOf(index, round, 'valid')] });
  filled.change(at + 1_000, nameOf(index), {
    ...named,
    certificates: [certificateOf(index, round - 1, 'superseded')],
  });
}

/** The same fleet as a snapshot tells it. */
function load(filled: Filled): void {
  const head = { revision: certificates * 2, hash: '0'.repeat(64) };
  filled.receive({ type: 'snapshot', fleet: 'bench', ...head });
  for (let index = 0; index < certificates; index++) {
    const at = timeOf(index, 0);
    const own = { revision: index * 2 + 2, changedBy: nameOf(index), changedAt: text(at) };
    const given = { revision: index * 2 + 1, changedBy: 'operator-1', changedAt: text(at - 60_000) };
    const subject = {
      subject: nameOf(index),
      kind: 'device',
      revision: own.revision,
      attributes: { status: { value: 'active', public: false, ...given } },
      certificates: [{ ...certificateOf(index, 0, 'valid'), ...own }],
    };
    filled.receive({ type: 'subjects', subjects: [subject] });
  }
  filled.receive({ type: 'complete', ...head });
}

function asLoaded(): number {
  const filled = new Filled();
  load(filled);
  for (let beat = 0; beat < 50; beat++) filled.replica.tend?.(start);
  const bytes = filled.bytes();
  if (filled.replica.certificates !== certificates) throw new Error('the snapshot was not loaded');
  return bytes;
}

function asGrown(): Omit<Grown, 'snapshot'> {
  const filled = new Filled();
  filled.empty();
  for (let index = 0; index < certificates; index++) enrol(filled, index);
  const enrolled = filled.bytes();
  for (let round = 1; round <= renewals; round++)
    for (let index = 0; index < certificates; index++) renew(filled, index, round);
  const renewed = filled.bytes();
  for (let index = 0; index < certificates; index += 1_001) {
    const row = filled.replica.find(Buffer.from(fingerprintOf(index, renewals), 'hex'));
    if (filled.replica.standingOf(row) !== 'valid') throw new Error('the certificate in use must be known');
  }
  return { enrolled, renewed, longestMs: filled.longestMs };
}

const grown: Grown = { snapshot: asLoaded(), ...asGrown() };
if (process.send) process.send(grown);
else process.stdout.write(`${JSON.stringify(grown)}\n`);
