import { PortcullisError } from '@portcullis/contract';
import { applyChangesets, forgetGeneration, readGeneration } from '../storage/storage.ts';
import { damaged, type Manifest } from './manifest.ts';
import { readSegment, segmentFiles } from './segments.ts';

export interface Replayed {
  segments: number;
  transactions: number;
  /** What the last of them says of the journal; undefined: there was none. */
  head: { position: number; revision: number; hash: string } | undefined;
}

/**
 * Does to a restored store, that nobody holds yet, what was shipped since it was copied, in order and without a gap. The store is then of no
 * generation any more: what it was copied from may go on, and ship.
 * @throws {PortcullisError} `backup_damaged`, which names the file; `file_unusable`
 */
export async function replay(home: string, { fleet }: Manifest, directory: string | undefined): Promise<Replayed> {
  const replayed: Replayed = { segments: 0, transactions: 0, head: undefined };
  const generation = readGeneration(home);
  if (directory !== undefined && generation) {
    let { last } = generation;
    for (const file of await filesIn(directory, generation.id)) {
      const segment = await readSegment(file);
      if (segment.fleet !== fleet || segment.generation !== generation.id) throw damaged(file, 'is of another history');
      const end = segment.first + segment.changesets.length - 1;
      if (end <= last) continue;
      if (segment.first > last + 1)
        throw damaged(file, `does not follow what is there: ${last + 1} to ${segment.first - 1} are missing`);
      const fresh = segment.changesets.slice(last + 1 - segment.first);
      apply(home, file, fresh);
      replayed.segments++;
      replayed.transactions += fresh.length;
      replayed.head = segment.head;
      last = end;
    }
  }
  forgetGeneration(home);
  return replayed;
}

async function filesIn(directory: string, generation: string): Promise<string[]> {
  try {
    return await segmentFiles(directory, generation);
  } catch (cause) {
    throw new PortcullisError('file_unusable', `"${directory}" can not be read: ${(cause as Error).message}`, {
      cause,
    });
  }
}

function apply(home: string, file: string, changesets: readonly Uint8Array[]): void {
  try {
    applyChangesets(home, changesets);
  } catch (cause) {
    if (!(cause instanceof PortcullisError) || cause.code !== 'store_damaged') throw cause;
    throw damaged(file, 'does not follow what is in the backup');
  }
}
