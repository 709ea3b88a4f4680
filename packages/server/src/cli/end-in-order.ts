/** A child's own clean stop takes 4.5 s at most: whoever is still there after these has hung, and all is ended within five seconds. */
const killAfterMs = 4_800;
/** The gate needs an authority that lives while it gives its lease back; for so long the authority waits for its turn. */
const headStartMs = 2_000;

interface Stoppable {
  stop(over: AbortSignal): Promise<void>;
}

/** The first has a head start, and both have the same end: however long the first takes, all is over when that comes. */
export async function endInOrder(first: Stoppable | undefined, second: Stoppable | undefined): Promise<void> {
  const over = new AbortController();
  const killing = setTimeout(() => over.abort(), killAfterMs);
  const firstEnded = first?.stop(over.signal);
  await Promise.race([firstEnded, headStart()]);
  await Promise.all([firstEnded, second?.stop(over.signal)]);
  clearTimeout(killing);
}

const headStart = () => new Promise<void>((resolve) => setTimeout(resolve, headStartMs).unref());
