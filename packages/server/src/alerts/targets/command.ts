import { runProgram } from '../../bounds/bounds.ts';
import { cloudEvent, NotTold, type Teller } from '../message.ts';

/** A program without a shell: the event on its standard input, one line of JSON. */
export function command(words: readonly [string, ...string[]], fleet: string): Teller {
  return {
    tell: (message, signal) =>
      runProgram(words, `${JSON.stringify(cloudEvent(message, fleet))}\n`, signal).catch((error: Error) => {
        throw signal.aborted ? error : new NotTold(error.message, { cause: error });
      }),
  };
}
