/** A TPM of software (swtpm) behind the resource manager that real ones need (tpm2-abrmd), in a directory of its own. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../../packages/server/test/house.ts';

export const hasSoftwareTpm = ['swtpm', 'swtpm_setup', 'dbus-daemon', 'tpm2-abrmd', 'tpm2_getcap', 'openssl'].every(
  (program) => spawnSync(program, ['--version']).error === undefined,
);

export class SoftwareTpm implements AsyncDisposable {
  readonly #directory: string;
  readonly #socket: string;
  readonly #bus: string;
  readonly #processes: ChildProcess[] = [];

  private constructor(directory: string) {
    this.#directory = directory;
    this.#socket = join(directory, 'tpm');
    this.#bus = join(directory, 'bus');
  }

  static async open(directory: string): Promise<SoftwareTpm> {
    const tpm = new SoftwareTpm(directory);
    mkdirSync(join(directory, 'state'), { recursive: true });
    execFileSync('swtpm_setup', ['--tpm2', '--tpmstate', join(directory, 'state')], { stdio: 'pipe' });
    writeFileSync(join(directory, 'bus.conf'), busConfiguration(tpm.#bus));
    await tpm.start();
    return tpm;
  }

  /** How programs find it. */
  get environment(): Record<string, string> {
    return {
      DBUS_SESSION_BUS_ADDRESS: `unix:path=${this.#bus}`,
      TPM2OPENSSL_TCTI: 'tabrmd:bus_type=session',
      TPM2TOOLS_TCTI: 'tabrmd:bus_type=session',
      // Its libraries say much of what is no failure.
      TSS2_LOG: 'all+NONE',
    };
  }

  async start(): Promise<void> {
    for (const path of [this.#socket, `${this.#socket}.ctrl`, this.#bus]) rmSync(path, { force: true });
    const server = ['--server', `type=unixio,path=${this.#socket}`, '--ctrl', `type=unixio,path=${this.#socket}.ctrl`];
    const state = ['--tpmstate', `dir=${join(this.#directory, 'state')}`, '--flags', 'not-need-init,startup-clear'];
    this.#run('swtpm', 'socket', '--tpm2', ...state, ...server);
    this.#run('dbus-daemon', '--nofork', '--nopidfile', `--config-file=${join(this.#directory, 'bus.conf')}`);
    await eventually(async () => existsSync(this.#socket) && existsSync(this.#bus), 'a TPM and a bus are there');
    this.#run('tpm2-abrmd', '--session', '--allow-root', `--tcti=swtpm:path=${this.#socket}`);
    const answers = () => spawnSync('tpm2_getcap', ['properties-fixed'], { env: this.#env(), timeout: 5_000 });
    await eventually(async () => answers().status === 0, 'the TPM answers');
  }

  /** As by a loss of power. */
  async kill(): Promise<void> {
    for (const child of this.#processes.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }

  #env(): NodeJS.ProcessEnv {
    return { ...process.env, ...this.environment };
  }

  #run(program: string, ...words: string[]): void {
    this.#processes.push(spawn(program, words, { stdio: 'ignore', env: this.#env() }));
  }
}

/** Of nobody else: https://dbus.freedesktop.org/doc/dbus-daemon.1.html */
const busConfiguration = (path: string) => `<busconfig>
  <type>session</type>
  <listen>unix:path=${path}</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`;
