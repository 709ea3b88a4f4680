/** Machines made of Linux network namespaces: each has its own addresses, names, firewall and home, and a switch joins them. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { root } from '../tree.ts';

const ip = (...words: string[]) => execFileSync('ip', words, { stdio: 'pipe' });
const nameservice = '/etc/netns';

/** Whether this process may make them: the superuser's right, and a kernel with namespaces, bridges and nftables. */
export function canMakeMachines(): boolean {
  const trial = `pc-trial-${process.pid}`;
  if (spawnSync('ip', ['netns', 'add', trial]).status !== 0) return false;
  const works = spawnSync('ip', ['netns', 'exec', trial, 'nft', 'add', 'table', 'inet', 'trial']).status === 0;
  spawnSync('ip', ['netns', 'delete', trial]);
  return works;
}

export class Machines implements AsyncDisposable {
  readonly #prefix = `pc${process.pid}`;
  readonly #home = mkdtempSync(join(tmpdir(), 'portcullis-machines-'));
  readonly #names: string[];
  readonly #stays: ChildProcess[] = [];

  /** The first has the address 10.77.0.1, the next .2 and so on. */
  constructor(names: string[]) {
    this.#names = names;
    ip('netns', 'add', this.#space('switch'));
    this.#within('switch', 'link', 'add', 'bridge', 'type', 'bridge');
    this.#within('switch', 'link', 'set', 'bridge', 'up');
    for (const [index, name] of names.entries()) this.#plugIn(name, index + 1);
    const bin = join(this.#home, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'scp'), `#!/bin/sh\nmachine=\${2%%.*}\nexec cp "$1" "${this.#home}/$machine/"\n`, {
      mode: 0o755,
    });
  }

  #space(name: string): string {
    return `${this.#prefix}-${name}`;
  }

  #within(name: string, ...words: string[]): void {
    ip('-n', this.#space(name), ...words);
  }

  #plugIn(name: string, number: number): void {
    const space = this.#space(name);
    ip('netns', 'add', space);
    const port = `port${number}`;
    ip('link', 'add', 'net0', 'netns', space, 'type', 'veth', 'peer', 'name', port, 'netns', this.#space('switch'));
    this.#within('switch', 'link', 'set', port, 'master', 'bridge', 'up');
    this.#within(name, 'address', 'add', `10.77.0.${number}/24`, 'dev', 'net0');
    for (const device of ['lo', 'net0']) this.#within(name, 'link', 'set', device, 'up');
    mkdirSync(join(nameservice, space), { recursive: true });
    writeFileSync(this.hostsOf(name), '127.0.0.1 localhost\n');
    writeFileSync(join(nameservice, space, 'resolv.conf'), '');
    mkdirSync(join(this.#home, name));
  }

  /** What is /etc/hosts on that machine. */
  hostsOf(name: string): string {
    return join(nameservice, this.#space(name), 'hosts');
  }

  #command(name: string, script: string): string[] {
    return ['netns', 'exec', this.#space(name), 'bash', '-ec', script];
  }

  #options(name: string) {
    const path = [join(this.#home, 'bin'), join(root, 'node_modules/.bin'), '/usr/sbin', process.env.PATH].join(':');
    return { cwd: join(this.#home, name), env: { ...process.env, PATH: path } };
  }

  run(name: string, script: string, timeout = 120_000): { status: number | null; said: string } {
    const words = this.#command(name, script);
    const { status, stdout, stderr } = spawnSync('ip', words, {
      ...this.#options(name),
      encoding: 'utf8',
      timeout,
    });
    return { status, said: `${stdout}${stderr}` };
  }

  /** The words before a command that has it run on that machine, in its home. */
  enter(name: string): string {
    return `ip netns exec ${this.#space(name)} env -C ${join(this.#home, name)}`;
  }

  /** A command that stays, once it has said so, as often as it says so. Resolves to how it is stopped. */
  async stay(name: string, command: string, pattern: RegExp, times = 1): Promise<() => Promise<void>> {
    const child = spawn('bash', ['-c', `exec ip "$@" 2>&1`, 'bash', ...this.#command(name, `exec ${command}`)], {
      ...this.#options(name),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#stays.push(child);
    const lines = createInterface({ input: child.stdout });
    const seen: string[] = [];
    await new Promise<void>((resolve, reject) => {
      lines.on('line', (line) => {
        seen.push(line);
        if (seen.filter((one) => pattern.test(one)).length >= times) resolve();
      });
      child.once('close', (code) =>
        reject(new Error(`"${command}" on ${name} ended with ${code}:\n${seen.join('\n')}`)),
      );
    });
    return () => stopped(child);
  }

  /** Pulls the plug of a machine, or puts it in again. */
  cable(name: string, state: 'up' | 'down'): void {
    this.#within('switch', 'link', 'set', `port${this.#names.indexOf(name) + 1}`, state);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#stays.toReversed()) await stopped(child);
    for (const name of [...this.#names, 'switch']) {
      spawnSync('ip', ['netns', 'delete', this.#space(name)]);
      rmSync(join(nameservice, this.#space(name)), { recursive: true, force: true });
    }
    rmSync(this.#home, { recursive: true, force: true });
  }
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
}
