/** How long after a step the next one comes: where there is more to do, and where there is not. */
export interface Pauses {
  moreMs: number;
  restMs: number;
}

/** One step after another, the first after `firstMs`. A step says whether there is more, and never throws. Resolves once it has stopped. */
export function goOn(step: () => Promise<boolean>, firstMs: number, { moreMs, restMs }: Pauses): () => Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  const wait = (milliseconds: number) => {
    timer = setTimeout(() => {
      running = run();
    }, milliseconds).unref();
  };
  const run = async () => {
    const more = await step();
    if (timer) wait(more ? moreMs : restMs);
  };
  wait(firstMs);
  return async () => {
    clearTimeout(timer);
    timer = undefined;
    await running;
  };
}
