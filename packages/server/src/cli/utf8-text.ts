/** What somebody gives as a file: text in UTF-8 (RFC 3629), and nothing that is taken for another letter where it is none. */
import { PortcullisError } from '@portcullis/contract';

const lineFeed = 0x0a;

/** A text as it comes, without a byte order mark. @throws {PortcullisError} `request_malformed` with the line */
export async function* textIn(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const lines = new Lines();
  for await (const piece of pieces) yield lines.read(piece);
  yield lines.end();
}

/** The same of a whole one. @throws {PortcullisError} `request_malformed` with the line */
export function textOf(bytes: Uint8Array): string {
  const lines = new Lines();
  return lines.read(bytes) + lines.end();
}

/** Each line by itself, so that the one is known that is wrong: a line feed is never within a letter. */
class Lines {
  readonly #decoder = new TextDecoder('utf-8', { fatal: true });
  #line = 1;

  read(bytes: Uint8Array): string {
    let text = '';
    for (let from = 0; from < bytes.length; ) {
      const end = bytes.indexOf(lineFeed, from) + 1 || bytes.length;
      text += this.#decode(bytes.subarray(from, end));
      if (bytes[end - 1] === lineFeed) this.#line++;
      from = end;
    }
    return text;
  }

  end(): string {
    return this.#decode();
  }

  #decode(bytes?: Uint8Array): string {
    try {
      return this.#decoder.decode(bytes, { stream: bytes !== undefined });
    } catch (cause) {
      const why = `line ${this.#line} is not UTF-8; the file has to be saved in UTF-8, as text`;
      throw new PortcullisError('request_malformed', why, { cause });
    }
  }
}
