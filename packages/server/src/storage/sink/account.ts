import type { SinkRequest } from './promises.ts';
import { openSqliteSink, type SqliteSink } from './sink-sqlite.ts';

/** With the gate's account, which whoever is opened with it closes; where none is opened, it is closed here. */
export async function withAccount<Opened>(
  directory: string,
  onBroken: ((error: Error) => void) | undefined,
  open: (account: SqliteSink) => Promise<Opened>,
): Promise<Opened> {
  const account = await openSqliteSink(directory, onBroken, 'account.db');
  try {
    return await open(account);
  } catch (error) {
    await account[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * A gate's account of its senders, on its own disk: edges, where senders stand by rules, what is missing of their counting, refusals. Of a
 * batch it takes what those are made of, without the data. `namesAll`: and of every other request one reading, by which its batch is known.
 */
export function accountOf(
  requests: readonly SinkRequest[],
  stored: readonly number[][],
  { namesAll = false }: { namesAll?: boolean } = {},
): SinkRequest[] {
  return requests.flatMap((request, index) => {
    const places = stored[index] ?? [];
    const isWanted = request.watched.length > 0 || request.sequences.some((sequence) => sequence !== null);
    const taken = isWanted ? places : places.slice(0, namesAll ? 1 : 0);
    return taken.length > 0 ? [partOf(request, taken)] : [];
  });
}

function partOf(request: SinkRequest, places: readonly number[]): SinkRequest {
  const pick = <Value>(values: readonly Value[]) => places.map((place) => values[place] as Value);
  return {
    ...request,
    ids: pick(request.ids),
    // Which readings are repeats is known of the sink: none is one here.
    given: places.map(() => false),
    deviceTimes: pick(request.deviceTimes),
    clocks: pick(request.clocks),
    sequences: pick(request.sequences),
    runs: pick(request.runs),
    data: places.map(() => '{}'),
    watched: request.watched.map((watched) => ({ ...watched, sides: places.map((at) => watched.sides[at]).join('') })),
  };
}
