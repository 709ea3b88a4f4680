import { goOn } from '../telemetry/telemetry.ts';
import { type ArchiveParts, Rounds } from './rounds.ts';

/** A change never waits for more than one step, and between two of them there is time for many. */
const betweenStepsMs = 200;
const betweenRoundsMs = 600_000;

/** Goes on by itself until it is closed. */
export function openArchive(parts: ArchiveParts): AsyncDisposable {
  const rounds = new Rounds(parts);
  const step = () =>
    rounds.step().catch((error: unknown) => {
      parts.log.error({ err: error }, "couldn't archive what ended; trying again in some minutes");
      return false;
    });
  return { [Symbol.asyncDispose]: goOn(step, betweenStepsMs, { moreMs: betweenStepsMs, restMs: betweenRoundsMs }) };
}
