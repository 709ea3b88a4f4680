import { PortcullisError } from '@portcullis/contract';
import type { Log } from '../telemetry/telemetry.ts';
import { compilePolicy, type Policy, type StreamConfig } from './policy.ts';
import { numberPolicy } from './policy-number.ts';

/** Where policies come from: files that somebody may edit while the gate runs. */
export interface PolicySource {
  /** Changes when one of the files does; cheap. */
  mark(): string;
  /** @throws {PortcullisError} `config_invalid` */
  load(): Promise<PolicyFiles>;
}

export interface PolicyFiles {
  streams: Record<string, StreamConfig>;
  /** Equal for what decides equally. */
  digest: string;
  /** Keys beside the streams that differ from those of the start. */
  needRestart: readonly string[];
}

interface Parts {
  /** Where the number of the last policy is kept. */
  directory: string;
  source: PolicySource;
  log: Log;
  /** Called with what replaces the policy that was accepted before. */
  onNext(policy: Policy): void;
}

/** A file is read once two looks in a row saw it the same: an editor may still be writing (FIELD-NOTES B14). */
const lookMs = 300;

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
  #timer: NodeJS.Timeout | undefined;

  private constructor(parts: Parts, mark: string, accepted: Policy, digest: string) {
    this.#parts = parts;
    this.#seen = this.#handled = mark;
    [this.#accepted, this.#digest] = [accepted, digest];
  }

  /** @throws {PortcullisError} `config_invalid` */
  static async open(parts: Parts): Promise<Policies> {
    const mark = parts.source.mark();
    const { streams, digest } = await parts.source.load();
    const unnumbered = compilePolicy(streams, 0);
    const number = await numberPolicy(parts.directory, digest);
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
    const mark = this.#parts.source.mark();
    const settled = mark === this.#seen;
    this.#seen = mark;
    if (settled && mark !== this.#handled) {
      this.#handled = mark;
      await this.#load().catch((error: unknown) => this.#refuse(error as Error));
    }
    if (this.#timer) this.watch();
  }

  async #load(): Promise<void> {
    const { directory, source, log, onNext } = this.#parts;
    const { streams, digest, needRestart } = await source.load();
    if (needRestart.length > 0)
      log.warn({ keys: needRestart }, 'gate.yaml: what these keys say counts after a restart');
    const unnumbered = compilePolicy(streams, 0);
    this.#refused = false;
    if (digest === this.#digest) return;
    const number = await numberPolicy(directory, digest);
    if (!this.#timer) return;
    [this.#accepted, this.#digest] = [{ ...unnumbered, number }, digest];
    onNext(this.#accepted);
  }

  #refuse(error: Error): void {
    this.#refused = true;
    const code = error instanceof PortcullisError ? error.code : 'internal';
    const { number } = this.#accepted;
    this.#parts.log.error(
      { code, policy: number },
      `the policy is not replaced; number ${number} stays: ${error.message}`,
    );
  }
}
