import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { counted, GateHeads, HeldHead as HeldHeadLine, JournalHash, PortcullisError } from '@portcullis/contract';
import { readCredential } from '@portcullis/device/client';
import { type HeldHead, readHeadFile, verifyJournal, writeVerifiedFile } from '../journal/journal.ts';
import { checkSqliteStore, readStore, type StorePlace } from '../storage/storage.ts';
import { realSystem, timestamp } from '../telemetry/system.ts';
import { askGates, type Gate } from './ask-gates.ts';
import { FleetClient, type FleetOptions, operatorFileIn } from './fleet-client.ts';
import type { Output } from './output.ts';
import { placeIn } from './store-place.ts';

export interface VerifyOptions extends FleetOptions {
  head?: string[];
  gates: boolean;
}

const answerMs = 5_000;

/**
 * Reads the store itself, also while an authority runs: what is verified is what is on disk, every page of it. The heads are asked for
 * first, so that what is read after them holds them.
 */
export async function verify(directory: string, options: VerifyOptions, output: Output): Promise<void> {
  const home = join(directory, 'authority');
  const place = placeIn(directory);
  if (!place.postgres) checkSqliteStore(home);
  const given = (options.head ?? []).flatMap(headsGiven);
  const asked = options.gates ? await headsOfGates(directory, place) : { heads: [], gates: {}, notAsked: {} };
  for (const [gate, why] of Object.entries(asked.notAsked)) output.notice(`${gate} was not asked: ${why}`);
  const file = readHeadFile(join(home, 'journal.head'));
  const heads: HeldHead[] = [...(file ? [file] : []), ...given, ...asked.heads];
  const { entries, broken } = await verifyJournal(readStore(place), heads);
  await remember(home, { at: timestamp(realSystem.now()), entries, whole: broken === undefined }, output);
  if (broken)
    throw new PortcullisError('journal_damaged', `entry ${broken.position}: ${broken.why}`, { detail: { ...broken } });
  const { gates, notAsked } = asked;
  const found = { valid: true, entries, headFile: file !== undefined, headsGiven: given.length, gates, notAsked };
  output.result(found, `${counted(entries, 'entry', 'entries')}, whole; ${agreeing(found)}`);
}

async function remember(home: string, found: Parameters<typeof writeVerifiedFile>[1], output: Output): Promise<void> {
  try {
    await writeVerifiedFile(join(home, 'journal.verified'), found);
  } catch (error) {
    output.notice(`"portcullis status" will not know of this: ${(error as Error).message}`);
  }
}

interface Agreeing {
  headFile: boolean;
  headsGiven: number;
  gates: Record<string, number>;
}

function agreeing({ headFile, headsGiven: count, gates }: Agreeing): string {
  const holders = [
    ...(headFile ? ['the head outside the database'] : []),
    ...(count > 0 ? [counted(count, 'head that was given', 'heads that were given')] : []),
    ...Object.entries(gates).map(([gate, held]) => `${counted(held, 'head')} of ${gate}`),
  ];
  if (holders.length === 0) return 'no head is held outside the database';
  return `${holders.join(', ')} ${holders.length === 1 && headFile ? 'agrees' : 'agree'}`;
}

/** Where the gates are the store says; that each is who it is, its certificate. */
async function headsOfGates(directory: string, place: StorePlace) {
  const known = await gatesIn(place);
  const heads: HeldHead[] = [];
  const gates: Record<string, number> = {};
  const notAsked: Record<string, string> = {};
  const client = clientOf(directory, known, notAsked);
  if (!client) return { heads, gates, notAsked };
  try {
    const { answers, failures } = await askGates(known, ({ url }) =>
      client.getFromGate(url, '/v1/heads', GateHeads, answerMs),
    );
    for (const { value } of answers) {
      const held = [...value.items, ...(value.holds ? [value.holds] : [])];
      heads.push(...held.filter(isOfARevision).map(({ revision, hash }) => ({ revision, hash, by: value.gate })));
      gates[value.gate] = (gates[value.gate] ?? 0) + held.length;
    }
    for (const { gate, error } of failures) notAsked[gate] = error.message;
  } finally {
    client.close();
  }
  return { heads, gates, notAsked };
}

function clientOf(
  directory: string,
  known: readonly Gate[],
  notAsked: Record<string, string>,
): FleetClient | undefined {
  if (known.length === 0) return undefined;
  try {
    return new FleetClient(readCredential(operatorFileIn(directory)));
  } catch (error) {
    if (!(error instanceof PortcullisError)) throw error;
    for (const { gate } of known) notAsked[gate] = error.message;
    return undefined;
  }
}

function gatesIn(place: StorePlace): Promise<Gate[]> {
  return readStore(place).snapshot(async (db) => {
    const gates = db.selectFrom('subjects').select(['id as gate', 'url']).where('kind', '=', 'gate');
    const rows = await gates.where('retired', '=', 0).where('url', 'is not', null).orderBy('id').execute();
    return rows.map(({ gate, url }) => ({ gate, url: url as string }));
  });
}

const isOfARevision = ({ revision }: { revision: number }) => revision > 0;

/** `REVISION:HASH`, a copy of the authority's head, or a gate's file of heads. @throws {PortcullisError} `usage` */
export function headsGiven(word: string): HeldHead[] {
  const [, revision, hash] = /^(\d+):([0-9a-f]{64})$/.exec(word) ?? [];
  if (revision !== undefined && hash !== undefined) return [{ revision: Number(revision), hash, by: word }];
  if (!existsSync(word)) {
    throw new PortcullisError('usage', `"${word}" is neither a file nor REVISION:HASH, the hash in 64 hex digits`);
  }
  const lines = readFileSync(word, 'utf8')
    .split('\n')
    .filter((line) => line.trim() !== '');
  const heads = lines.flatMap((line) => headOfLine(line)).map((head) => ({ ...head, by: word }));
  if (heads.length > 0) return heads;
  throw new PortcullisError('usage', `"${word}" holds no head`);
}

function headOfLine(line: string): ({ revision: number; hash: string } | { position: number; hash: string })[] {
  try {
    const value = JSON.parse(line) as Record<string, unknown>;
    if (Number.isSafeInteger(value.position))
      return [{ position: value.position as number, hash: JournalHash.parse(value.hash) }];
    const { revision, hash } = HeldHeadLine.omit({ time: true }).parse(value);
    return revision > 0 ? [{ revision, hash }] : [];
  } catch {
    return [];
  }
}
