/**
 * A vendor's PKCS#11 module in a process of its own: what blocks, leaks or crashes in it does so there, and one that does not answer is ended.
 * p11-kit loads it and speaks for it on standard input and output; PINs go that way too, never by argv.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { PortcullisError } from '@portcullis/contract';
import { decodeAnswer, encodeCall, type FunctionName, frameLength, headBytes, type Reader } from './wire.ts';

/** Network tokens answer in milliseconds; what generates a key may take seconds. */
const answerMsMax = 20_000;
const answerBytesMax = 1_048_576;
const saidCharactersMax = 400;
const version = 0;

/** An error that the token told: `code` is CKR_…. */
export class TokenError extends Error {
  readonly code: number;

  constructor(name: FunctionName, code: number) {
    super(`${name}: 0x${code.toString(16)}`);
    this.code = code;
  }
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

interface Waiting {
  resolve(frame: Buffer): void;
  reject(error: PortcullisError): void;
}

/** One call at a time: who calls waits for the answer before the next. */
export class ModuleProcess implements Disposable {
  readonly #module: string;
  readonly #child: Child;
  #pending = Buffer.alloc(0);
  #versionRead = false;
  #waiting: Waiting | undefined;
  #said = '';
  #ended: PortcullisError | undefined;
  #calls = 0;

  constructor(module: string) {
    this.#module = module;
    // A group of its own: a Ctrl-C at the terminal is for the authority, which may still have something to sign.
    this.#child = spawn('p11-kit', ['remote', module], { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
    this.#child.on('error', (error: NodeJS.ErrnoException) => {
      const missing = error.code === 'ENOENT';
      this.#end(missing ? 'p11-kit is not installed (Debian: apt-get install p11-kit)' : `p11-kit: ${error.message}`);
    });
    this.#child.on('exit', () => this.#end(`p11-kit could not go on with it${this.#words()}`));
    this.#child.stderr.setEncoding('utf8').on('data', (words: string) => {
      this.#said = (this.#said + words).slice(0, saidCharactersMax);
    });
    this.#child.stdout.on('data', (piece: Buffer) => this.#receive(piece));
    // Its end is told by `exit`.
    this.#child.stdin.on('error', () => undefined).write(Buffer.from([version]));
  }

  /** @throws {TokenError} @throws {PortcullisError} `key_unusable` when there is no answer: this process is over then */
  async call(name: FunctionName, ...values: Buffer[]): Promise<Reader> {
    if (this.#ended) throw this.#ended;
    this.#calls += 1;
    const call = this.#calls;
    const frame = await new Promise<Buffer>((resolve, reject) => {
      const late = setTimeout(() => this.#end(`no answer within ${answerMsMax / 1000} s`), answerMsMax);
      this.#waiting = {
        resolve: (answer) => {
          clearTimeout(late);
          resolve(answer);
        },
        reject: (error) => {
          clearTimeout(late);
          reject(error);
        },
      };
      this.#child.stdin.write(encodeCall(name, call, values));
    });
    const answer = decodeAnswer(name, call, frame);
    if ('error' in answer) throw new TokenError(name, answer.error);
    return answer.values;
  }

  #receive(piece: Buffer): void {
    this.#pending = Buffer.concat([this.#pending, piece]);
    if (!this.#versionRead) {
      if (this.#pending[0] !== version) return this.#end('this p11-kit does not speak version 0 of its protocol');
      this.#versionRead = true;
      this.#pending = this.#pending.subarray(1);
    }
    if (this.#pending.length < headBytes) return;
    const length = frameLength(this.#pending);
    if (length > answerBytesMax) return this.#end('an answer has more than 1 MiB');
    if (this.#pending.length < length) return;
    const waiting = this.#waiting;
    const frame = this.#pending.subarray(0, length);
    this.#pending = this.#pending.subarray(length);
    this.#waiting = undefined;
    waiting?.resolve(frame);
  }

  #words(): string {
    return this.#said === '' ? '' : ` (it said: ${this.#said.trim().replaceAll('\n', '; ')})`;
  }

  #end(why: string): void {
    this.#ended ??= new PortcullisError('key_unusable', `PKCS#11 module "${this.#module}": ${why}`);
    this.#child.kill('SIGKILL');
    this.#waiting?.reject(this.#ended);
    this.#waiting = undefined;
  }

  [Symbol.dispose](): void {
    this.#end('it was closed');
  }
}
