/**
 * Two or three authorities at one database, of which one leads at a time, three gates and whoever takes their place. Processes stand still, die
 * and are cut off; answers are late or lost; databases restart, stall, and are promoted without the last commits. Then calm, in which everything
 * has to go on.
 */
import { PortcullisError } from '@portcullis/contract';
import { type Gate, type Head, realAssembly } from './assembly.ts';
import { type AuthorityAssembly, AuthorityProcess, type Lengths } from './authority.ts';
import { Checker } from './checker.ts';
import { Database, type State } from './database.ts';
import { leaseMs, type Settled, WorldOfGates } from './gates.ts';
import { History } from './history.ts';
import { Schedule } from './schedule.ts';

export const termMs = 1_000;
const troubledMs = 14_000;
/** A take-over, the leases of who led before, and a lease more. */
const calmMs = 8_000;
/** How long a gate waits for an answer, and listens to who says nothing. */
const patientMs = leaseMs / 2;

/**
 * Of runs: authorities that are configured differently; a database that is promoted without the last commits; who leads alone is in trouble; a
 * promoted database beside the one that it replaced, which who led still reaches.
 */
const kinds = ['other lengths', 'lossy', 'plain', 'apart', 'two live'] as const;
export type Kind = (typeof kinds)[number];

interface Site {
  index: number;
  lengths: Lengths;
  process: AuthorityProcess;
  database: Database;
  cut: { database: number; gates: number };
  /** Answers of its database come so much later. */
  slowMs: number;
}

/** Who a gate asks for leases, and for its feed: connections of their own. */
interface Links {
  leases: number;
  feed: number;
  heard: number;
  /** Until then it reaches no other than this one. */
  side: { index: number; until: number };
}

export class WorldOfAuthorities extends WorldOfGates {
  readonly checker: Checker;
  readonly count = { takeOvers: 0, promotions: 0, lost: 0, regressed: 0 };
  readonly kind: Kind;
  protected override readonly readingsMs = 80;
  readonly #authorities: AuthorityAssembly;
  readonly #sites: Site[] = [];
  readonly #asked = new Map<Gate, Links>();
  /** The one that was promoted last. */
  #database: Database;
  #calm = false;
  #salt = 0;

  constructor(seed: number, authorities: AuthorityAssembly, kind = kinds[seed % kinds.length] as Kind) {
    super(new Schedule(seed), realAssembly);
    this.#authorities = authorities;
    this.kind = kind;
    const first = firstState();
    this.checker = new Checker(() => this.schedule.now, first.history);
    this.#database = new Database(
      {
        schedule: this.schedule,
        inProcess: (process, work) => this.inProcess(process, work),
        link: () => this.link(),
        isCalm: () => this.#calm,
        isFenced: authorities.isFenced,
        seesTimeline: authorities.seesTimeline,
        onCommit: (before, after, { term, database }) =>
          database === this.#database
            ? this.checker.committed(before, after, term)
            : this.checker.committedAside(after),
        silenceMs: termMs / 4,
        answerMs: termMs,
      },
      first,
    );
    const isOther = this.kind === 'other lengths' || (this.kind === 'apart' && this.schedule.chance() < 0.3);
    const length = (of: readonly number[]) => (isOther ? this.#pick(of) : 1);
    const count = this.schedule.chance() < 0.6 ? 3 : 2;
    for (let index = 0; index < count; index++) {
      const lengths = { termMs: termMs * length([0.6, 1, 1.5]), leaseMs: leaseMs * length([0.5, 1, 1.8]) };
      const site = { index, lengths, database: this.#database, cut: { database: 0, gates: 0 }, slowMs: 0 } as Site;
      this.#sites.push(site);
      this.#startAuthority(site);
    }
    for (const name of ['gate-1', 'gate-2', 'gate-3']) this.startGate(name);
    this.schedule.after(100, () => this.#flip());
    this.schedule.after(300, () => this.#ask());
    if (this.kind === 'apart') this.schedule.after(1_000, () => this.#partLeader());
    else this.schedule.after(500, () => this.#trouble());
    if (this.kind === 'two live')
      this.schedule.after(this.schedule.between(1, 4) * termMs, () => this.#promoteBeside());
    if (this.kind === 'lossy') this.schedule.after(this.schedule.between(150, 3_000), () => this.#promote());
    this.schedule.at(troubledMs, () => this.#becomeCalm());
  }

  async run(): Promise<this> {
    await this.schedule.runStirred(troubledMs + calmMs);
    this.checker.rows(this.rows);
    return this;
  }

  /** Someone leads and gives receipts, and a gate decides. */
  isWell(): boolean {
    const last = this.checker.receipts.at(-1)?.at ?? 0;
    return last > this.schedule.now - calmMs / 2 && this.#living().some(({ lease }) => lease.holds());
  }

  get #truth(): History {
    return this.#database.is.history;
  }

  #pick<T>(of: readonly T[]): T {
    return of[Math.floor(this.schedule.chance() * of.length)] as T;
  }

  #living(): Gate[] {
    return this.gates.filter(({ alive }) => alive);
  }

  protected override link(): number {
    return this.#calm || this.kind === 'apart' ? this.schedule.between(0.5, 15) : super.link();
  }

  // Authorities.

  #startAuthority(site: Site): void {
    const process = new AuthorityProcess({
      schedule: this.schedule,
      inProcess: (one, work) => this.inProcess(one, work),
      assembly: this.#authorities,
      database: site.database,
      name: `authority-${site.index}`,
      cutUntil: () => site.cut.database,
      slowMs: () => site.slowMs,
      ...site.lengths,
      onOpened: () => this.#opened(site),
      onReceipt: (one, revision) => this.#receipt(one, revision),
      onLost: (one) => this.schedule.after(this.schedule.between(1, 100), () => this.#kill(site, one)),
    });
    site.process = process;
    this.schedule.stir();
    process.live().catch((error: unknown) => this.#ended(site, process, error));
    this.repeat(process, 15, 25, () => process.settle());
  }

  /** What was stored of a take-over may be what is lost. */
  #opened(site: Site): void {
    const { schedule } = this;
    this.count.takeOvers++;
    if (this.#calm || this.kind !== 'lossy' || schedule.chance() < 0.6) return;
    schedule.after(schedule.between(20, 400), () => {
      this.#promote();
      this.#isolate(site, this.#pick(this.#living()));
    });
  }

  #ended(site: Site, process: AuthorityProcess, error: unknown): void {
    if (!(error instanceof PortcullisError) && (error as Error).message !== 'stopped')
      this.checker.fail(`bug: ${error}`);
    this.schedule.after(1, () => this.#kill(site, process));
  }

  /** It is started again. */
  #kill(site: Site, process: AuthorityProcess): void {
    if (!process.alive) return;
    process.alive = false;
    for (const gate of this.gates)
      if (gate.feed === process) this.schedule.after(this.link(), () => this.#feedBroken(gate, process));
    this.schedule.after(this.schedule.between(1, this.#calm ? 50 : 2_000), () => this.#startAuthority(site));
  }

  #flip(): void {
    const leader = this.#sites.map(({ process }) => process).filter((one) => one.alive && one.isOpen);
    for (const process of leader) this.inProcess(process, () => this.#change(process));
    this.schedule.after(this.schedule.between(20, 400), () => this.#flip());
  }

  #change(process: AuthorityProcess): void {
    this.schedule.stir();
    const salt = ++this.#salt;
    const changed = process.change((history) => {
      const kind = this.schedule.chance();
      if (kind < 0.4) history.append({}, salt);
      else if (!history.isAdmitted()) history.append({ status: 'active', standing: 'valid' }, salt);
      else history.append(kind < 0.7 ? { status: 'off' } : { standing: 'suspended' }, salt);
    });
    const told = () => {
      const { head } = process.history;
      for (const gate of this.gates)
        if (gate.feed === process) this.deliver(gate, process.history.since(head - 1), this.#apart(gate, process));
      process.settle();
    };
    changed.then(told).catch((error: unknown) => {
      if (!(error instanceof PortcullisError)) this.checker.fail(`bug: ${(error as Error).stack}`);
    });
  }

  /** Somebody asks how far a change is in force. */
  #ask(): void {
    for (const { process } of this.#sites) {
      const revision = Math.ceil(this.schedule.chance() * process.history.head);
      this.inProcess(process, () => process.isReceipted(revision) && this.#receipt(process, revision));
    }
    this.schedule.after(this.schedule.between(20, 400), () => this.#ask());
  }

  // Gates.

  #links(gate: Gate): Links {
    const any = () => Math.floor(this.schedule.chance() * this.#sites.length);
    const known = this.#asked.get(gate);
    const links = known ?? { leases: any(), feed: any(), heard: this.schedule.now, side: { index: 0, until: 0 } };
    this.#asked.set(gate, links);
    return links;
  }

  #next(of: number): number {
    return (of + 1) % this.#sites.length;
  }

  /** Until when they do not reach one another. */
  #apart(gate: Gate, process: AuthorityProcess | undefined): number {
    const site = this.#sites.find((one) => one.process === process);
    const { index, until } = this.#links(gate).side;
    return Math.max(site?.cut.gates ?? 0, site && site.index !== index ? until : 0);
  }

  /** Undefined comes back where there is no answer, or none that is of use. */
  #toAuthority<T>(
    gate: Gate,
    index: number,
    work: (process: AuthorityProcess) => Promise<T> | T,
    answered: (answer: T | undefined, process: AuthorityProcess) => void,
  ): void {
    const site = this.#sites[index] as Site;
    const { process } = site;
    const back = (answer: T | undefined) => {
      this.#way(gate, process, () => this.inProcess(gate, () => answered(answer, process)));
    };
    const arrive = () => {
      if (!process.alive || !process.isOpen) return back(undefined);
      this.inProcess(process, () => {
        this.schedule.stir();
        const failed = (error: unknown) => {
          if (!(error instanceof PortcullisError)) this.checker.fail(`bug: ${(error as Error).stack}`);
          else if (error.code === 'revision_regressed') this.#regressed(gate);
          back(undefined);
        };
        (async () => work(process))().then(back).catch(failed);
      });
    };
    this.#way(gate, process, arrive);
  }

  /** While two are apart a message is lost, or comes after. */
  #way(gate: Gate, process: AuthorityProcess, arrive: () => void): void {
    const apart = this.#apart(gate, process);
    if (apart <= this.schedule.now) this.schedule.after(this.link(), arrive);
    else if (this.schedule.chance() < 0.5) this.schedule.at(apart + this.link(), arrive);
  }

  protected override connect(gate: Gate): void {
    const links = this.#links(gate);
    const { connection } = Object.assign(gate, { feed: undefined, connection: gate.connection + 1 });
    gate.lastDue = this.schedule.now;
    gate.replica.dropStaged();
    const { complete, revision, hash } = gate.replica;
    const held = revision > 0 ? { revision, hash } : undefined;
    const next = () => {
      if (!gate.alive || gate.connection !== connection || gate.feed) return;
      links.feed = this.#next(links.feed);
      this.connect(gate);
    };
    this.#toAuthority(
      gate,
      links.feed,
      (process) => {
        if (gate.connection !== connection || (held && !process.knows(held))) return false;
        gate.feed = process;
        this.deliver(gate, process.history.since(complete ? revision : undefined), this.#apart(gate, process));
        return true;
      },
      (isFed) => !isFed && this.schedule.after(20, next),
    );
    this.schedule.after(patientMs, next);
  }

  #feedBroken(gate: Gate, process: object): void {
    if (gate.alive && gate.feed === process) this.inProcess(gate, () => gate.feed === process && this.connect(gate));
  }

  /** Beats: who stands still, or is apart, says nothing. */
  #listen(gate: Gate): void {
    const links = this.#links(gate);
    const process = gate.feed as AuthorityProcess | undefined;
    const isHeard =
      process?.alive && process.pausedUntil <= this.schedule.now && this.#apart(gate, process) <= this.schedule.now;
    if (isHeard) links.heard = this.schedule.now;
    if (!process || this.schedule.now - links.heard <= patientMs) return;
    links.heard = this.schedule.now;
    links.feed = this.#next(links.feed);
    this.connect(gate);
  }

  protected override askLease(gate: Gate, told: Head, granted: (leaseMs: number) => void): void {
    this.#listen(gate);
    const links = this.#links(gate);
    const asked = links.leases;
    let isAnswered = false;
    const next = () => {
      if (!isAnswered && links.leases === asked) links.leases = this.#next(asked);
      isAnswered = true;
    };
    const name = { gate: gate.name, instance: gate.instance };
    this.#toAuthority(
      gate,
      asked,
      (process) => process.renew(name, told),
      (answer) => {
        if (!answer) return next();
        isAnswered = true;
        if (!answer.granted) return;
        granted(answer.leaseMs);
        this.checker.gate(gate);
      },
    );
    this.schedule.after(patientMs, next);
  }

  protected override report(gate: Gate, head: Head): void {
    const name = { gate: gate.name, instance: gate.instance };
    this.#toAuthority(
      gate,
      this.#links(gate).leases,
      (process) => process.report(name, head),
      () => undefined,
    );
  }

  protected override askSettled(gate: Gate, answered: (answers: Settled[]) => void): void {
    const name = { gate: gate.name, instance: gate.instance };
    const batches = gate.disk.unsettled();
    const ask = () =>
      this.#toAuthority(
        gate,
        this.#pick(this.#sites).index,
        (process) => process.settleBatches(name, batches),
        (answers) => (answers ? answered(answers) : this.schedule.after(50, ask)),
      );
    ask();
  }

  protected override giveBack(gate: Gate): void {
    const name = { gate: gate.name, instance: gate.instance };
    this.#toAuthority(
      gate,
      this.#links(gate).leases,
      (process) => {
        process.book.release(name);
        process.settle();
      },
      () => undefined,
    );
  }

  /** What it has seen is lost, and somebody accepts that: it begins anew. */
  #regressed(gate: Gate): void {
    if (!gate.alive) return;
    this.count.regressed++;
    const { revision } = gate.reportable;
    if (this.checker.isThere(gate.reportable)) this.checker.fail(`${gate.name} is told that ${revision} is lost`);
    gate.lease.end();
    this.startAgain(gate);
  }

  #receipt({ history }: AuthorityProcess, revision: number): void {
    this.checker.receipt({ revision, hash: history.hashAt(revision) as string }, this.gates);
  }

  // What goes wrong.

  #trouble(): void {
    if (this.#calm) return;
    this.schedule.after(this.schedule.between(100, 900), () => this.#trouble());
    const { schedule } = this;
    const leading = this.#sites.find(({ process }) => process.alive && process.leads());
    const site = leading && schedule.chance() < 0.6 ? leading : this.#pick(this.#sites);
    const { process, cut } = site;
    const gate = this.#pick(this.#living()) as Gate | undefined;
    const until = (least: number, most: number) => schedule.now + schedule.between(least, most);
    const kind = schedule.chance();
    if (kind < 0.2) process.standStill(schedule.between(50, 4 * termMs), schedule.chance() < 0.3);
    else if (kind < 0.28) this.#kill(site, process);
    else if (kind < (this.kind === 'lossy' ? 0.4 : 0.34)) this.#close(site);
    else if (kind < 0.48) this.#isolate(site, gate);
    else if (kind < 0.54) cut.gates = until(100, 3 * leaseMs);
    else if (kind < 0.57) this.#database.restart(schedule.between(50, 1.5 * termMs));
    else if (kind < 0.6) this.#database.stall(schedule.between(200, 2 * termMs));
    else if (kind < 0.68 && this.kind === 'lossy') this.#promote();
    else if (!gate) return;
    else if (kind < 0.78) gate.pausedUntil = Math.max(gate.pausedUntil, until(50, 3_500));
    else if (kind < 0.88) this.replace(gate);
    else if (kind < 0.92) this.inProcess(gate, () => this.stop(gate));
    else this.schedule.after(schedule.between(10, 3_000), () => gate.feed && this.#feedBroken(gate, gate.feed));
  }

  /** With a gate on its side, and all the others are well: they go on with whoever takes over. */
  #partLeader(): void {
    if (this.#calm) return;
    const { schedule } = this;
    schedule.after(schedule.between(1.5, 4) * termMs, () => this.#partLeader());
    const site = this.#sites.find(({ process }) => process.alive && process.leads());
    if (!site) return;
    const kind = schedule.chance();
    if (kind < 0.5) site.process.standStill(schedule.between(0.3, 3.5) * termMs, kind < 0.25);
    if (kind > 0.2) this.#isolate(site, this.#pick(this.#living()), { leastMs: 1.5 * termMs });
    if (kind < 0.35) schedule.after(schedule.between(0, 2) * termMs, () => this.startAgain(this.#pick(this.#living())));
  }

  /** Away from the database: at once, or its answers are slow first; perhaps with a gate on its side. */
  #isolate(site: Site, gate: Gate | undefined, { leastMs = termMs / 10 } = {}): void {
    const { schedule } = this;
    const until = schedule.now + schedule.between(leastMs, 3.5 * termMs);
    const cut = () => {
      site.slowMs = 0;
      if (!this.#calm) site.cut.database = until;
    };
    if (schedule.chance() < 0.4) {
      site.slowMs = schedule.between(0.1, 0.9) * termMs;
      schedule.after(schedule.between(0.2, 1) * termMs, cut);
    } else cut();
    if (!gate || schedule.chance() < 0.3) return;
    const links = this.#links(gate);
    Object.assign(links, { leases: site.index, side: { index: site.index, until } });
    if (links.feed === site.index) return;
    links.feed = site.index;
    this.connect(gate);
  }

  #close(site: Site): void {
    const { process } = site;
    if (!process.alive) return;
    this.inProcess(process, () => {
      this.schedule.stir();
      const ended = () => this.schedule.after(1, () => this.#kill(site, process));
      process.close().then(ended, ended);
    });
  }

  /** The copy takes its place, at the same address. */
  #promote(): void {
    const { schedule } = this;
    if (this.#calm) return;
    const { head } = this.#truth;
    this.#database.failOver(Math.floor(schedule.between(0, 7)), schedule.between(50, 1.5 * termMs));
    this.count.promotions++;
    this.count.lost += head - this.#truth.head;
    this.checker.lost(this.#truth);
  }

  /** Who leads stays with the database that was replaced, and so does a gate; the other authorities see the one that was promoted. */
  #promoteBeside(): void {
    const { schedule } = this;
    if (this.#calm) return;
    const old = this.#sites.find(({ process }) => process.alive && process.leads()) ?? this.#pick(this.#sites);
    const until = schedule.now + schedule.between(4, 8) * termMs;
    this.#database = this.#database.promoted(0, { isFenced: this.#authorities.isReplacedFenced });
    this.count.promotions++;
    for (const site of this.#sites) if (site !== old) this.#moveTo(site, this.#database);
    schedule.at(until, () => this.#moveTo(old, this.#database));
    const gate = this.#pick(this.#living());
    Object.assign(this.#links(gate), { leases: old.index, feed: old.index, side: { index: old.index, until } });
    this.connect(gate);
  }

  /** It reaches no other any more: its process ends, and the next one leads there. */
  #moveTo(site: Site, database: Database): void {
    site.database = database;
    this.#kill(site, site.process);
  }

  #becomeCalm(): void {
    this.#calm = true;
    for (const site of this.#sites) if (site.database !== this.#database) this.#moveTo(site, this.#database);
    for (const site of this.#sites) Object.assign(site, { slowMs: 0, cut: { database: 0, gates: 0 } });
    for (const { side } of this.#asked.values()) side.until = 0;
  }
}

function firstState(): State {
  const row = { term: '', beat: 0, termMs: 0, holder: '', free: true, ledIn: 'cluster/1' };
  return { history: new History(), fence: '', row, settings: new Map() };
}
