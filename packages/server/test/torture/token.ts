/** A token of SoftHSM2 that the issuers' keys are in, and that somebody pulls out while it signs. */
import { execFileSync, spawnSync } from 'node:child_process';
import { globSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [module = ''] = globSync('/usr/lib/{softhsm,*/softhsm}/libsofthsm2.so');
const label = 'torture';

export class Token {
  readonly #tokens: string;
  readonly #pin: string;

  private constructor(directory: string) {
    this.#tokens = join(directory, 'tokens');
    this.#pin = join(directory, 'pin');
  }

  /** Undefined on a machine without SoftHSM2 or p11-kit; never under CI. Whoever is started from now on finds it. */
  static open(directory: string): Token | undefined {
    const present = module !== '' && spawnSync('p11-kit', ['--help']).error === undefined;
    if (!present && process.env.CI === 'true') throw new Error('softhsm2 and p11-kit must be there under CI=true');
    if (!present) return undefined;
    const token = new Token(directory);
    mkdirSync(token.#tokens);
    const configuration = join(directory, 'softhsm2.conf');
    writeFileSync(configuration, `directories.tokendir = ${token.#tokens}\nlog.level = ERROR\n`);
    process.env.SOFTHSM2_CONF = configuration;
    writeFileSync(token.#pin, '4711\n', { mode: 0o600 });
    const words = ['--init-token', '--free', '--label', label, '--so-pin', '47114711', '--pin', '4711'];
    execFileSync('softhsm2-util', words, { stdio: 'pipe' });
    return token;
  }

  /** For `init`. */
  get words(): string[] {
    return ['--pkcs11-module', module, '--pkcs11-token', label, '--pkcs11-pin-file', this.#pin];
  }

  /** In the middle of whatever it signs: also the process of the authority that has its module ends. */
  takeAway(authority: number): void {
    renameSync(this.#tokens, this.#away);
    mkdirSync(this.#tokens);
    for (const child of childrenOf(authority)) {
      if (readFileSync(`/proc/${child}/cmdline`, 'utf8').includes(module)) process.kill(child, 'SIGKILL');
    }
  }

  bringBack(): void {
    rmSync(this.#tokens, { recursive: true });
    renameSync(this.#away, this.#tokens);
  }

  get #away(): string {
    return `${this.#tokens}-away`;
  }
}

/** Each thread has its own: https://man7.org/linux/man-pages/man5/proc_tid_children.5.html */
function childrenOf(parent: number): number[] {
  const tasks = readdirSync(`/proc/${parent}/task`);
  const lists = tasks.map((task) => readFileSync(`/proc/${parent}/task/${task}/children`, 'utf8'));
  return lists.flatMap((list) => list.trim().split(' ').filter(Boolean).map(Number));
}
