/** Where the torture happens: an authority, a desk and several gates as real processes, a network between them, and enrolled devices. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { KeyCredentialCreated, PortcullisError, TokenCreated } from '@portcullis/contract';
import { type Credential, enrol, exchange, Link } from '@portcullis/device';
import { Command } from 'commander';
import { z } from 'zod';
import { standStill } from '../../../../test/standstill.ts';
import { freeBasePort, Running, succeeded } from '../../../../tools/commands.ts';
import { gateCommands } from '../../src/cli/gate-commands.ts';
import { Output } from '../../src/cli/output.ts';
import { eventually, House } from '../house.ts';
import { Operator } from '../operator.ts';
import { Passage } from '../passage.ts';
import { setTerms, type Terms } from '../stories/faults/scene.ts';
import { Authorities } from './authorities.ts';
import { lane, roles } from './carriers.ts';
import type { Keys } from './coap-way.ts';
import { DeskChild } from './desk-child.ts';
import { decideSocketIn, GateChild } from './gate-child.ts';
import { Monitor, monitoring } from './monitor.ts';
import { Stores } from './stores.ts';
import { Timeline } from './timeline.ts';
import { Token } from './token.ts';

/** A lease on a machine that does nothing else, and longer where processes get less of it: what a fault does to it is to be seen, and not what the machine does. */
export const leaseMsLeast = 2_000;
const enrolledAtOnce = 8;
const tokensAtOnce = 500;
/** A process has to share the machine with all the others. */
const startMsMax = 60_000;
/** On a machine that does much else: a gate that was let go last has to find its authority first. */
const settledMsMax = 120_000;
const TokensCreated = z.strictObject({ revision: z.int(), tokens: z.array(TokenCreated) });

/** The second of them changes never, and no stream looks at it, but for a fault. */
const attributes = { status: 'active', ward: 'blue' };

interface Made {
  devices: number;
  gates: number;
  copies?: number;
  /** In a PostgreSQL of its own, with two authorities; their issuers' keys are files then. */
  postgres?: boolean;
  /** Subjects beside the devices, which only changes of many name. */
  crowd?: number;
  seed: number;
}

const passing: ReadonlySet<string> = new Set(['not_leader', 'store_unavailable', 'authority_unreachable']);

/** While the arena is made another authority may begin to lead, on a machine that is too busy for a term. */
async function again<Value>(work: () => Promise<Value>): Promise<Value> {
  let done: { value: Value } | undefined;
  await eventually(
    async () => {
      done = await work().then(
        (value) => ({ value }),
        (error: unknown) => {
          if (error instanceof PortcullisError && passing.has(error.code)) return undefined;
          throw error;
        },
      );
      return done !== undefined;
    },
    'an authority answers',
    settledMsMax,
  );
  return (done as unknown as { value: Value }).value;
}

export class Arena {
  readonly house = new House();
  readonly gates: GateChild[] = [];
  readonly devices: Credential[] = [];
  /** Each device has one beside its certificate: what cuts the subject cuts both. */
  readonly keys: Keys[] = [];
  /** It carries what devices seal. */
  gateway!: Credential;
  /** Indices of those that renewed; one renews once, for the authority gives no second successor so soon. */
  readonly renewed = new Set<number>();
  readonly timeline = new Timeline();
  readonly crowd: string[] = [];
  terms!: Terms;
  /** The revision of each change that gave a reason. */
  readonly revisionOf = new Map<string, number>();
  /** What the issuers' keys are in, where this machine has such a thing. */
  token: Token | undefined;
  /** Where there are two. */
  authorities: Authorities | undefined;
  operator!: Operator;
  stores!: Stores;
  /** One of each role of the lane. */
  checkpoints: Link[] = [];
  /** What it says cuts, and lets nobody go. */
  monitor!: Monitor;
  /** Devices enrol and renew through it. */
  desk!: DeskChild;
  /** Those of gates, without a process of their own to start. */
  readonly #commands = new Command();
  #read = 0;

  /** `copies`: of so many gates a second process runs from a copy of its directory, with readings of its own. */
  static async open(made: Made): Promise<Arena> {
    const arena = new Arena();
    gateCommands(arena.#commands, new Output(new PassThrough().resume(), process.stderr, { json: false }));
    process.once('exit', arena.#killAll);
    try {
      await arena.#open(made);
      return arena;
    } catch (error) {
      await arena.close();
      throw error;
    }
  }

  async #open({ devices, gates, copies = 0, crowd = 0, postgres = false, seed }: Made): Promise<void> {
    const { house } = this;
    house.basePort = await freeBasePort();
    const init = async (words: string[]) => {
      const begun = performance.now();
      await succeeded('portcullis', 'init', house.fleet, '--base-port', String(house.basePort), ...words);
      house.initMs = performance.now() - begun;
      this.terms = house.lease(leaseMsLeast);
    };
    if (postgres) this.authorities = await Authorities.open(house, init);
    else {
      this.token = Token.open(house.home);
      await init(this.token?.words ?? []);
    }
    house.configure('fleet.yaml', (text) => `${text}log: error\n`);
    house.configure('fleet.yaml', (text) => `${text}${monitoring}attributes: { role: string }\n`);
    mkdirSync(join(house.fleet, 'journeys'), { mode: 0o700 });
    writeFileSync(join(house.fleet, 'journeys', 'torture-lane.yaml'), lane);
    setTerms(house, this.terms);
    await (this.authorities?.begin(house) ?? this.startAuthority());
    this.desk = new DeskChild(house.fleet, `https://localhost:${house.basePort + 1}`);
    await this.desk.start();
    this.operator = new Operator(house.fleet);
    const names = Array.from({ length: gates }, (_, index) => `gate-${index + 1}`);
    await Promise.all([...names.map((name, index) => this.#join(name, seed + index)), this.#enrol(devices)]);
    for (const { subject } of this.devices) this.keys.push(await this.#makeKeys(subject));
    this.monitor = await this.#enrolMonitor();
    this.gateway = await this.#enrolGateway();
    this.checkpoints = await Promise.all(roles.map((role) => this.#enrolCheckpoint(role)));
    await this.#gather(crowd);
    this.gates.sort((a, b) => a.name.localeCompare(b.name));
    for (const gate of this.gates.slice(0, copies)) await this.#copy(gate);
    await this.startGates();
    this.stores = new Stores(this.gates);
  }

  /** The first gate is made with the fleet. */
  async #join(name: string, seed: number): Promise<void> {
    const { house } = this;
    const first = name === 'gate-1';
    const directory = first ? house.fleet : join(house.home, name);
    const port = first ? house.basePort + 3 : await freeBasePort();
    if (!first) {
      const [token] = await this.#tokens([{ subject: name, kind: 'gate' }]);
      const words = ['gate', 'join', directory, token as string, '--port', String(port)];
      await this.#commands.parseAsync(words, { from: 'user' });
    }
    const settings = `${readFileSync(join(directory, 'gate.yaml'), 'utf8')}log: warn\n`;
    await this.#add(settings, { name, directory, seed, port });
  }

  /** Before either has started: neither has stored anything. */
  async #copy({ name, directory: original, url, settings, seed }: GateChild): Promise<void> {
    const directory = join(this.house.home, `${name}-copy`);
    mkdirSync(directory, { mode: 0o700 });
    cpSync(join(original, 'gate'), join(directory, 'gate'), { recursive: true });
    cpSync(join(original, 'root.pem'), join(directory, 'root.pem'));
    const port = await freeBasePort();
    const moved = settings.replaceAll(new URL(url).port, String(port));
    await this.#add(moved, { name: `${name}-copy`, directory, seed: seed + 8, port });
  }

  async #add(text: string, { port, ...made }: { name: string; directory: string; seed: number; port: number }) {
    const passage = await Passage.open(this.house.basePort);
    const where = `$1\n  mqttPort: ${port + 1}\n  coapPort: ${port + 2}\n  decideSocket: ${decideSocketIn(made.directory)}`;
    const settings = text
      .replace(/^authority: .*$/m, `authority: https://localhost:${passage.port}`)
      .replaceAll(/^ {2}(mqttPort|coapPort|decideSocket): .*\n/gm, '')
      .replace(/^( {2}port: \d+)$/m, where);
    this.gates.push(new GateChild({ ...made, settings, passage, url: `https://127.0.0.1:${port}` }));
  }

  async #enrol(count: number): Promise<void> {
    const wanted = Array.from({ length: count }, (_, index) => ({ subject: `truck-${index + 1}`, attributes }));
    const tokens = await this.#tokens(wanted);
    const enrolNext = async () => {
      for (let token = tokens.pop(); token !== undefined; token = tokens.pop()) {
        const index = tokens.length;
        this.devices[index] = await again(() => enrol({ token: token as string, directory: this.directoryOf(index) }));
      }
    };
    await Promise.all(Array.from({ length: enrolledAtOnce }, enrolNext));
  }

  async #enrolMonitor(): Promise<Monitor> {
    const [token] = await this.#tokens([{ subject: 'monitor-1', kind: 'monitor' }]);
    const directory = join(this.house.home, 'monitor-1');
    const credential = await again(() => enrol({ token: token as string, directory }));
    return new Monitor(credential);
  }

  async #makeKeys(subject: string): Promise<Keys> {
    const { link, credential } = this.operator;
    const url = `${credential.authority}/v1/key-credentials`;
    return again(() => exchange(link, url, { subject }, KeyCredentialCreated));
  }

  async #enrolGateway(): Promise<Credential> {
    const [token] = await this.#tokens([{ subject: 'carrier-1', kind: 'gateway', attributes }]);
    const directory = join(this.house.home, 'carrier-1');
    return again(() => enrol({ token: token as string, directory }));
  }

  async #enrolCheckpoint(role: string): Promise<Link> {
    const subject = `checkpoint-${role}`;
    const [token] = await this.#tokens([{ subject, kind: 'checkpoint', attributes: { role } }]);
    const directory = join(this.house.home, subject);
    const credential = await again(() => enrol({ token: token as string, directory }));
    return new Link({ roots: credential.roots, fleet: credential.fleet, role: 'authority', credential });
  }

  async #gather(count: number): Promise<void> {
    for (let from = 0; from < count; from += tokensAtOnce) {
      const some = Array.from({ length: Math.min(tokensAtOnce, count - from) }, (_, index) => `crate-${from + index}`);
      await this.#tokens(some.map((subject) => ({ subject })));
      this.crowd.push(...some);
    }
  }

  readonly directoryOf = (index: number): string => join(this.house.home, `device-${index}`);

  async #tokens(wanted: { subject: string; kind?: string; attributes?: object }[]): Promise<string[]> {
    const { link, credential } = this.operator;
    const url = `${credential.authority}/v1/tokens`;
    const { tokens } = await again(() => exchange(link, url, { tokens: wanted }, TokensCreated));
    return tokens.map(({ token }) => token);
  }

  /** How many times slower than one that does nothing else this machine is. */
  get slowness(): number {
    return this.terms.leaseMs / leaseMsLeast;
  }

  async startAuthority(): Promise<void> {
    const { house } = this;
    house.authority = new Running('portcullis', 'start', 'authority', house.fleet);
    await house.authority.line(/^authority listening/, startMsMax);
  }

  async killAuthority(): Promise<void> {
    await this.house.authority?.kill();
  }

  /** `times`: its lease, of the usual one. */
  async restartAuthority(signal: 'SIGTERM' | 'SIGKILL', times: number): Promise<void> {
    const { leaseMs, patienceMs } = this.terms;
    if (signal === 'SIGKILL') await this.killAuthority();
    else await this.house.authority?.stop();
    setTerms(this.house, { leaseMs: Math.round(times * leaseMs), patienceMs });
    await this.startAuthority();
  }

  pauseAuthority(): void {
    standStill(this.house.authority?.process.pid);
  }

  resumeAuthority(): void {
    this.house.authority?.process.kill('SIGCONT');
  }

  takeTokenAway(): void {
    const pid = this.house.authority?.process.pid;
    if (pid !== undefined) this.token?.takeAway(pid);
  }

  /** For a second after a failure a token is not asked again. */
  async issues(): Promise<boolean> {
    const [token] = await this.#tokens([{ subject: `late-${performance.now().toFixed(0)}` }]);
    const directory = mkdtempSync(join(this.house.home, 'late-'));
    const enrolled = () => enrol({ token: token as string, directory }).then(Boolean, () => false);
    return eventually(enrolled, 'a certificate is issued').then(
      () => true,
      () => false,
    );
  }

  async startGates(gates = this.gates): Promise<void> {
    await Promise.all(gates.filter(({ runs }) => !runs).map((gate) => gate.start()));
  }

  async stopGates(): Promise<void> {
    await Promise.all(this.gates.map((gate) => gate.stop()));
  }

  /** Resolves when each gate that runs holds a lease and has applied every revision; rejects with who does not, and what is known of him. */
  async settled(): Promise<void> {
    let told: Awaited<ReturnType<Operator['gates']>> = [];
    const unsettled = () => {
      const held = told.filter(({ lease, lag }) => lease === 'held' && lag === 0);
      return this.gates.filter(({ instances, runs }) => runs && !held.some((one) => one.instance === instances.at(-1)));
    };
    const isSettled = async () => {
      // Another one may be about to lead.
      told = await this.operator.gates().catch(() => []);
      return unsettled().length === 0;
    };
    await eventually(isSettled, 'every gate holds a lease and is up to date', settledMsMax).catch((cause: unknown) => {
      const left = unsettled().map(({ name, instances, last }) => [name, instances.at(-1), last()]);
      throw new Error(`not settled: ${JSON.stringify({ left, told })}`, { cause });
    });
  }

  /** Takes the journal's revisions that were not taken yet into the timeline. */
  async readJournal(): Promise<void> {
    for (;;) {
      const next = Array.from({ length: 8 }, (_, index) => this.#read + index + 1);
      const changes = await Promise.all(next.map((revision) => this.#changeAt(revision)));
      for (const change of changes) {
        if (!change) return;
        this.#read = change.revision;
        this.timeline.apply(change.revision, change.subjects);
        if (change.reason !== null) this.revisionOf.set(change.reason, change.revision);
      }
    }
  }

  async #changeAt(revision: number) {
    try {
      return await this.operator.changeAt(revision);
    } catch (error) {
      if ((error as { code?: string }).code === 'revision_unknown') return undefined;
      throw error;
    }
  }

  async close(): Promise<void> {
    this.resumeAuthority();
    await Promise.all(this.gates.map((gate) => gate.kill()));
    await this.desk?.kill();
    await Promise.all(this.gates.map(({ passage }) => passage.close()));
    this.stores?.close();
    this.operator?.close();
    this.monitor?.close();
    for (const link of this.checkpoints) link.close();
    await this.authorities?.close();
    await this.house.close();
    process.removeListener('exit', this.#killAll);
  }

  /** Whatever ends this process, none of its children stays, and no directory. */
  readonly #killAll = (): void => {
    for (const gate of this.gates) void gate.kill();
    void this.desk?.kill();
    this.house.authority?.process.kill('SIGKILL');
    this.authorities?.killAll();
    rmSync(this.house.home, { recursive: true, force: true });
  };
}
