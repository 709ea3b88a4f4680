import type { Log, System } from '../telemetry/telemetry.ts';

interface Parts {
  log: Log;
  system: Pick<System, 'now'>;
}

/** A clock that was set meanwhile is noticed after this. */
const sleepMsMax = 60_000;
/** The store could not be written: a full disk is asked again. */
const troubleMs = 5_000;

export interface Loop {
  wake(): void;
  /** Resolves once it has stopped, after the signal. */
  done(): Promise<void>;
}

/** Runs `work` when it is woken and when the time that it named has come; never twice at once. */
export function loop({ log, system }: Parts, signal: AbortSignal, what: string, work: () => Promise<number>): Loop {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let again = false;
  const run = async () => {
    let next: number;
    do {
      again = false;
      next = await work().catch((error: unknown) => {
        log.error({ err: error }, `alerts: couldn't go on with ${what}; trying again`);
        return system.now() + troubleMs;
      });
    } while (again && !signal.aborted);
    running = undefined;
    if (signal.aborted || next === Number.POSITIVE_INFINITY) return;
    timer = setTimeout(wake, Math.min(sleepMsMax, Math.max(1, next - system.now()))).unref();
  };
  const wake = () => {
    if (signal.aborted) return;
    clearTimeout(timer);
    again = true;
    running ??= run();
  };
  signal.addEventListener('abort', () => clearTimeout(timer));
  return { wake, done: async () => running };
}
