import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PortcullisError } from '@portcullis/contract';
import { runProgram } from '../bounds/bounds.ts';
import { createInPieces, putInPlace } from '../telemetry/telemetry.ts';

/** Where segments go, and are there for good. */
export interface Destination {
  /** A directory, or a program with its arguments. */
  readonly name: string;
  /** Resolves once it is there, as a whole. The same may come again, or longer. @throws {PortcullisError} `file_unusable` */
  put(name: string, bytes: Buffer, signal: AbortSignal): Promise<void>;
}

/** `to`: a directory; or a program by its absolute path, and its arguments. */
export function destinationOf(to: string | readonly string[]): Destination {
  if (typeof to === 'string') return intoDirectory(to);
  const [file = '', ...words] = to;
  return byProgram([file, ...words]);
}

function intoDirectory(directory: string): Destination {
  return {
    name: directory,
    async put(name, bytes) {
      const file = join(directory, name);
      const beside = `${file}.new-${process.pid}`;
      try {
        // What a try before left, of this process or of one that had its number.
        await rm(beside, { force: true });
        await createInPieces(beside, (append) => append(bytes));
        await putInPlace(beside, file);
      } catch (cause) {
        throw refused(directory, cause);
      }
    },
  };
}

/** It gets the segment on its standard input and the name of its file as its last argument, and exits 0 once both are safe. */
function byProgram(program: readonly [string, ...string[]]): Destination {
  return {
    name: program.join(' '),
    async put(name, bytes, signal) {
      try {
        await runProgram([...program, name], bytes, signal);
      } catch (cause) {
        throw refused(program[0], cause);
      }
    },
  };
}

const refused = (where: string, cause: unknown) =>
  new PortcullisError('file_unusable', `"${where}" takes no segment: ${(cause as Error).message}`, { cause });
