/** Where the torture happens: an authority and several gates as real processes, a network between them, and enrolled devices. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { TokenCreated } from '@portcullis/contract';
import { type Credential, enrol, exchange } from '@portcullis/device';
import { Command } from 'commander';
import { z } from 'zod';
import { freeBasePort, Running, succeeded } from '../../../../tools/commands.ts';
import { gateCommands } from '../../src/cli/gate-commands.ts';
import { Output } from '../../src/cli/output.ts';
import { eventually, House } from '../house.ts';
import { Operator } from '../operator.ts';
import { Passage } from '../passage.ts';
import { GateChild } from './gate-child.ts';
import { Stores } from './stores.ts';
import { Timeline } from './timeline.ts';

export const leaseMs = 2_000;
export const patienceMs = 500;
const enrolledAtOnce = 8;
/** A process has to share the machine with all the others. */
const startMsMax = 60_000;
const TokensCreated = z.strictObject({ revision: z.int(), tokens: z.array(TokenCreated) });

export class Arena {
  readonly house = new House();
  readonly gates: GateChild[] = [];
  readonly devices: Credential[] = [];
  readonly timeline = new Timeline();
  /** The revision of each change that gave a reason. */
  readonly revisionOf = new Map<string, number>();
  operator!: Operator;
  stores!: Stores;
  /** Those of gates, without a process of their own to start. */
  readonly #commands = new Command();
  #read = 0;

  static async open(made: { devices: number; gates: number; seed: number }): Promise<Arena> {
    const arena = new Arena();
    gateCommands(arena.#commands, new Output(new PassThrough().resume(), process.stderr, false));
    process.once('exit', arena.#killAll);
    try {
      await arena.#open(made);
      return arena;
    } catch (error) {
      await arena.close();
      throw error;
    }
  }

  async #open({ devices, gates, seed }: { devices: number; gates: number; seed: number }): Promise<void> {
    const { house } = this;
    house.basePort = await freeBasePort();
    await succeeded('portcullis', 'init', house.fleet, '--base-port', String(house.basePort));
    house.configure('fleet.yaml', (text) => `${text}leaseMs: ${leaseMs}\npatienceMs: ${patienceMs}\nlog: error\n`);
    await this.startAuthority();
    this.operator = new Operator(house.fleet);
    const names = Array.from({ length: gates }, (_, index) => `gate-${index + 1}`);
    await Promise.all([...names.map((name, index) => this.#join(name, seed + index)), this.#enrol(devices)]);
    this.gates.sort((a, b) => a.name.localeCompare(b.name));
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
    const passage = await Passage.open(house.basePort);
    const file = join(directory, 'gate.yaml');
    const text = readFileSync(file, 'utf8').replace(/^authority: .*$/m, `authority: https://localhost:${passage.port}`);
    writeFileSync(file, `${text}log: warn\n`);
    this.gates.push(new GateChild({ name, directory, passage, seed, url: `https://127.0.0.1:${port}` }));
  }

  async #enrol(count: number): Promise<void> {
    const wanted = Array.from({ length: count }, (_, index) => ({ subject: `truck-${index + 1}` }));
    const tokens = await this.#tokens(wanted);
    const enrolNext = async () => {
      for (let token = tokens.pop(); token !== undefined; token = tokens.pop()) {
        const directory = join(this.house.home, `device-${tokens.length}`);
        this.devices.push(await enrol({ token, directory }));
      }
    };
    await Promise.all(Array.from({ length: enrolledAtOnce }, enrolNext));
    this.devices.sort((a, b) => a.subject.localeCompare(b.subject));
  }

  async #tokens(wanted: { subject: string; kind?: string }[]): Promise<string[]> {
    const { link, credential } = this.operator;
    const { tokens } = await exchange(link, `${credential.authority}/v1/tokens`, { tokens: wanted }, TokensCreated);
    return tokens.map(({ token }) => token);
  }

  async startAuthority(): Promise<void> {
    const { house } = this;
    house.authority = new Running('portcullis', 'start', 'authority', house.fleet);
    await house.authority.line(/^authority listening/, startMsMax);
  }

  async killAuthority(): Promise<void> {
    const child = this.house.authority?.process;
    const ended = new Promise((resolve) => child?.once('exit', resolve));
    child?.kill('SIGKILL');
    await ended;
  }

  pauseAuthority(): void {
    this.house.authority?.process.kill('SIGSTOP');
  }

  resumeAuthority(): void {
    this.house.authority?.process.kill('SIGCONT');
  }

  async startGates(gates = this.gates): Promise<void> {
    await Promise.all(gates.filter(({ runs }) => !runs).map((gate) => gate.start()));
  }

  async stopGates(): Promise<void> {
    await Promise.all(this.gates.map((gate) => gate.stop()));
  }

  /** Resolves when each gate that runs holds a lease and has applied every revision. */
  async settled(): Promise<void> {
    await eventually(
      async () => {
        const held = (await this.operator.gates()).filter(({ lease, lag }) => lease === 'held' && lag === 0);
        return this.gates.every(({ name, runs }) => !runs || held.some(({ gate }) => gate === name));
      },
      'every gate holds a lease and is up to date',
      30_000,
    );
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
    await Promise.all(this.gates.map(({ passage }) => passage.close()));
    this.stores?.close();
    this.operator?.close();
    await this.house.close();
    process.removeListener('exit', this.#killAll);
  }

  /** Whatever ends this process, none of its children stays, and no directory. */
  readonly #killAll = (): void => {
    for (const gate of this.gates) void gate.kill();
    this.house.authority?.process.kill('SIGKILL');
    rmSync(this.house.home, { recursive: true, force: true });
  };
}
