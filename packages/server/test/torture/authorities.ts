/**
 * Two authorities at one PostgreSQL of their own, of which one leads, each behind a network of its own to the database, and each started anew
 * when it ends, as a service is. Whoever connects to an authority of the fleet gets to the one that leads by then: who was connected stays where he is.
 */
import { join } from 'node:path';
import { standStill } from '../../../../test/standstill.ts';
import { freeBasePort, Running } from '../../../../tools/commands.ts';
import { copyWhileUsed } from '../copied.ts';
import { eventually, type House } from '../house.ts';
import { Passage } from '../passage.ts';
import { storeIn } from '../postgres-cluster.ts';
import { ReplicatedDatabase } from './database.ts';

/** On a machine that does much else a term may be over, and another process lead, before one has opened what it leads. */
const leadsMsMax = 120_000;
const restMs = 200;

export class Member {
  readonly directory: string;
  readonly ports: Record<'api' | 'enrolment', number>;
  readonly database: Passage;
  readonly #onLeads: (member: Member) => void;
  #running: Running | undefined;
  #wanted = false;
  #restart: NodeJS.Timeout | undefined;
  isAlive = false;
  /** How often it said that the store is behind what it has seen. */
  regressed = 0;

  constructor(made: Pick<Member, 'directory' | 'ports' | 'database'>, onLeads: (member: Member) => void) {
    this.directory = made.directory;
    this.ports = made.ports;
    this.database = made.database;
    this.#onLeads = onLeads;
  }

  /** It stands by until it leads; one that ends by itself stands by again. */
  start(): void {
    this.#wanted = true;
    if (this.isAlive) return;
    const running = new Running('portcullis', 'start', 'authority', this.directory, '--standby');
    this.#running = running;
    this.isAlive = true;
    running.process.once('exit', () => {
      this.isAlive = false;
      if (this.#wanted) this.#restart = setTimeout(() => this.start(), restMs);
    });
    running.onLine((line) => {
      if (line.startsWith('authority listening')) this.#onLeads(this);
      if (line.includes('(revision_regressed)')) this.regressed++;
    });
  }

  async kill(): Promise<void> {
    this.#forget();
    await this.#running?.kill();
  }

  async stop(): Promise<void> {
    this.#forget();
    await this.#running?.stop();
  }

  pause(): void {
    standStill(this.#running?.process.pid);
  }

  signal(signal: 'SIGCONT' | 'SIGKILL'): void {
    this.#running?.process.kill(signal);
  }

  #forget(): void {
    this.#wanted = false;
    clearTimeout(this.#restart);
  }
}

export class Authorities {
  readonly database: ReplicatedDatabase;
  readonly #ends: (() => Promise<void>)[];
  readonly members: Member[] = [];
  readonly #ways: Passage[] = [];
  #leader: Member | undefined;
  /** How often another process began to lead. */
  terms = 0;

  /** Makes the fleet; `words`: what `init` is told besides. Nothing runs yet. */
  static async open(house: House, init: (words: string[]) => Promise<void>): Promise<Authorities> {
    const ends: (() => Promise<void>)[] = [];
    const after = (end: () => Promise<void>) => ends.unshift(end);
    const database = await ReplicatedDatabase.open({ after });
    const authorities = new Authorities(database, ends);
    const port = () => database.port;
    const networks = [await Passage.open(port), await Passage.open(port)] as const;
    await init(['--store', storeIn([networks[0]])]);
    for (const [index, network] of networks.entries()) {
      const base = await freeBasePort();
      authorities.#add(index === 0 ? house.fleet : join(house.home, 'authority-2'), base, network);
    }
    for (const [offset, port] of [
      [0, 'api'],
      [8, 'enrolment'],
    ] as const) {
      const target = () => authorities.leader.ports[port];
      authorities.#ways.push(await Passage.open(target, { port: house.basePort + offset }));
    }
    return authorities;
  }

  private constructor(database: ReplicatedDatabase, ends: (() => Promise<void>)[]) {
    this.database = database;
    this.#ends = ends;
  }

  #add(directory: string, base: number, database: Passage): void {
    const ports = { api: base, enrolment: base + 1 };
    this.members.push(
      new Member({ directory, ports, database }, (member) => {
        this.#leader = member;
        this.terms++;
      }),
    );
  }

  /** The first one starts; the second gets what that has by then, and stands by. */
  async begin(house: House): Promise<void> {
    const [first, second] = this.members as [Member, Member];
    this.#configure(house, first);
    await this.#leads(first);
    copyWhileUsed(first.directory, second.directory);
    this.#configure(house, second);
    second.start();
  }

  /** Its own ports, and its own way to the database. */
  #configure(house: House, { directory, ports, database }: Member): void {
    const replaced = (this.members[0] as Member).database.port;
    house.configureIn(directory, 'fleet.yaml', (text) =>
      text
        .replace(/^( {2}apiPort): .*$/m, `$1: ${ports.api}`)
        .replace(/^( {2}enrolmentPort): .*$/m, `$1: ${ports.enrolment}`)
        .replace(`:${replaced}/`, `:${database.port}/`),
    );
  }

  /** Who was last to say that it leads. */
  get leader(): Member {
    return this.#leader ?? (this.members[0] as Member);
  }

  get standby(): Member {
    return this.members.find((member) => member !== this.leader) as Member;
  }

  async #leads(member: Member): Promise<void> {
    member.start();
    await eventually(() => this.#leader === member && member.isAlive, 'an authority leads', leadsMsMax);
  }

  async close(): Promise<void> {
    for (const member of this.members) {
      member.signal('SIGCONT');
      await member.kill();
      await member.database.close();
    }
    for (const way of this.#ways) await way.close();
    for (const end of this.#ends) await end();
  }

  killAll(): void {
    for (const member of this.members) member.signal('SIGKILL');
    this.database.killAll();
  }
}
