/** Aborted by the first SIGINT or SIGTERM; the second one ends the process as it always does. */
export function untilSignalled(): { signal: AbortSignal; close(): void } {
  const controller = new AbortController();
  const abort = () => {
    controller.abort();
    close();
  };
  const close = () => {
    for (const name of signals) process.off(name, abort);
  };
  for (const name of signals) process.on(name, abort);
  return { signal: controller.signal, close };
}

const signals = ['SIGINT', 'SIGTERM'] as const;
