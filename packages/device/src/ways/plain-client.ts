import { Agent, request } from 'node:http';
import { PortcullisError } from '@portcullis/contract';

export interface PlainRequest {
  url: string;
  headers: Record<string, string>;
  body: Buffer;
  /** How long the whole of it may take. */
  timeoutMs: number;
  signal: AbortSignal;
}

export interface PlainAnswer {
  status: number;
  body: Buffer;
}

const answerBytesMax = 8 * 1024 * 1024;

/**
 * HTTP without TLS, to whoever answers at an address. Nothing that it brings is believed: what is sent is signed, and only what a gate
 * signed is taken for an answer.
 */
export class PlainClient {
  /** Each stream may wait for its answer. */
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 32 });

  /** @throws {PortcullisError} `server_unreachable` (`begun` in its detail), `answer_malformed` */
  async post({ url, headers, body, timeoutMs, signal }: PlainRequest): Promise<PlainAnswer> {
    const enough = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    try {
      return await this.#post({ url, headers, body, signal: enough });
    } catch (cause) {
      if (cause instanceof PortcullisError) throw cause;
      const { code } = cause as NodeJS.ErrnoException;
      const why = enough.aborted ? 'did not answer in time' : `can not be reached (${code ?? 'the connection broke'})`;
      throw new PortcullisError('server_unreachable', `"${url}" ${why}`, { cause, detail: { begun: enough.aborted } });
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  #post({ url, headers, body, signal }: Omit<PlainRequest, 'timeoutMs'>): Promise<PlainAnswer> {
    return new Promise((resolve, reject) => {
      const options = { agent: this.#agent, method: 'POST', signal };
      const sent = request(url, { ...options, headers: { ...headers, 'content-length': body.length } }, (answer) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        answer.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          chunks.push(chunk);
          if (bytes > answerBytesMax) answer.destroy(tooLong(url));
        });
        answer.on('error', reject);
        answer.on('end', () => {
          resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks) });
        });
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }
}

const tooLong = (url: string) => new PortcullisError('answer_malformed', `the answer of "${url}" is too long`);
