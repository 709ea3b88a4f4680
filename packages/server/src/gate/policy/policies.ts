import { PortcullisError } from '@portcullis/contract';
import type { Log } from '../../telemetry/telemetry.ts';
import { compilePolicy, type Policy, type StreamConfig } from './policy.ts';

/** Where policies come from: files that somebody may edit while the gate runs. */
export interface PolicySource {
  /** Changes when one of the files does; cheap. */
  mark(): string;
  /** @throws {PortcullisError} `config_invalid` */
  load(): Promise<PolicyFiles>;
}

export interface PolicyFiles {
  streams: Record<string, StreamConfig>;
  carry?: StreamConfig | undefined;
  /** Proxies may ask over the network, and are judged by this. */
  ask?: StreamConfig | undefined;
  /** Equal for what decides equally. */
  digest: string;
  /** Keys beside the streams that differ from those of the start. */
  needRestart: readonly string[];
  /** What is not wrong, and not as it should be. */
  warnings: readonly string[];
}

interface Parts {
  /** That of what decides equally to this. */
  numberOf(digest: string): Promise<number>;
  source: PolicySource;
  log: Log;
  /** Called with what replaces the policy that was accepted before. */
  onNext(policy: Policy): void;
}

/** A file is read once two looks in a row saw it the same: an editor may still be writing (FIELD-NOTES B14). */
const lookMs = 300;
/** Files that could not be read for a reason that may pass are read again after so many looks. */
const looksUntilRetry = 10;

/**
 * The policy in force, and its successors: files are looked at as long as the gate runs. What is not valid is refused whole, with
 * its file and line in the log, and the policy before stays.
 */
export class Policies {
  readonly #parts: Parts;
  #accepted: Policy;
  #digest: string;
  #seen: string;
  #handled: string;
  #refused = false;
  #said = '';
  #retryIn = 0;
  #timer: NodeJS.Timeout | undefined;

  private constructor(parts: Parts, mark: string, accepted: Policy, digest: string) {
    this.#parts = parts;
    this.#seen = this.#handled = mark;
    [this.#accepted, this.#digest] = [accepted, digest];
  }

  /** @throws {PortcullisError} `config_invalid` */
  static async open(parts: Parts): Promise<Policies> {
    const mark = parts.source.mark();
    const { streams, carry, ask, digest, warnings } = await parts.source.load();
    for (const warning of warnings) parts.log.warn(warning);
    const unnumbered = compilePolicy(streams, 0, carry, ask);
    const number = await parts.numberOf(digest);
    return new Policies(parts, mark, { ...unnumbered, number }, digest);
  }

  /** The last one that was valid. */
  get accepted(): Policy {
    return this.#accepted;
  }

  /** The files as they are now are not valid. */
  get refused(): boolean {
    return this.#refused;
  }

  watch(): void {
    this.#timer = setTimeout(() => void this.#look(), lookMs).unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #look(): Promise<void> {
    try {
      await this.#takeChanges();
    } catch (error) {
      this.#refuse(error as Error);
    }
    if (this.#timer) this.watch();
  }

  async #takeChanges(): Promise<void> {
    const mark = this.#parts.source.mark();
    const settled = mark === this.#seen;
    this.#seen = mark;
    const again = this.#retryIn > 0 && --this.#retryIn === 0;
    if (!settled || (mark === this.#handled && !again)) return;
    this.#handled = mark;
    await this.#load();
  }

  async #load(): Promise<void> {
    const { numberOf, source, log, onNext } = this.#parts;
    const { streams, carry, ask, digest, needRestart, warnings } = await source.load();
    const unnumbered = compilePolicy(streams, 0, carry, ask);
    if (needRestart.length > 0)
      log.warn({ keys: needRestart }, 'gate.yaml: what these keys say counts after a restart');
    for (const warning of warnings) log.warn(warning);
    if (digest !== this.#digest) {
      if (!this.#timer) return;
      const number = await numberOf(digest);
      [this.#accepted, this.#digest] = [{ ...unnumbered, number }, digest];
      onNext(this.#accepted);
    } else if (this.#refused)
      log.info(`the policy is valid again, and the same: number ${this.#accepted.number} stays`);
    this.#refused = false;
    this.#said = '';
    this.#retryIn = 0;
  }

  #refuse(error: Error): void {
    const code = error instanceof PortcullisError ? error.code : 'internal';
    this.#refused = true;
    if (code !== 'config_invalid') this.#retryIn = looksUntilRetry;
    if (error.message === this.#said) return;
    this.#said = error.message;
    const { number } = this.#accepted;
    this.#parts.log.error(
      { code, policy: number },
      `the policy is not replaced; number ${number} stays: ${error.message}`,
    );
  }
}
