import { type ArchiveParts, Rounds } from './rounds.ts';

/** A change never waits for more than one step, and between two of them there is time for many. */
const betweenStepsMs = 200;
const betweenRoundsMs = 600_000;

/** Goes on by itself until it is closed. */
export function openArchive(parts: ArchiveParts): AsyncDisposable {
  const rounds = new Rounds(parts);
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  const wait = (milliseconds: number) => {
    timer = setTimeout(() => {
      running = run();
    }, milliseconds).unref();
  };
  const run = async () => {
    const more = await rounds.step().catch((error: unknown) => {
      parts.log.error({ err: error }, "couldn't archive what ended; trying again in some minutes");
      return false;
    });
    if (timer) wait(more ? betweenStepsMs : betweenRoundsMs);
  };
  wait(betweenStepsMs);
  return {
    async [Symbol.asyncDispose]() {
      clearTimeout(timer);
      timer = undefined;
      await running;
    },
  };
}
