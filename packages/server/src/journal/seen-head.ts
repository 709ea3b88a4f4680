/**
 * The last head that this machine led or saw, in a file of its own: a store that does not have it has lost what was told, or is another
 * one, and is not led.
 */
import { existsSync } from 'node:fs';
import { PortcullisError } from '@portcullis/contract';
import type { Reader } from '../storage/storage.ts';
import { putInPlace } from '../telemetry/telemetry.ts';
import { type JournalHead, readHeadFile } from './head-file.ts';
import { storedHead } from './verify.ts';

/** What is wrong with the store by the head that is held; undefined: it has it. */
async function lacking(db: Reader, held: JournalHead): Promise<string | undefined> {
  if (held.position === 0) return undefined;
  const { position } = held;
  const row = await db.selectFrom('journal').select('hash').where('position', '=', position).executeTakeFirst();
  if (row?.hash === held.hash) return undefined;
  const what = row ? `has another entry at ${position}` : `ends before entry ${position}`;
  return `this machine has seen revision ${held.revision}, and the journal of the store ${what}`;
}

const advice =
  'if it was restored, or fell back to a copy, on purpose, run "portcullis authority accept-restore" on this directory';

/** @throws {PortcullisError} `revision_regressed` */
export async function requireSeen(db: Reader, headFile: string): Promise<void> {
  const held = readHeadFile(headFile);
  const why = held && (await lacking(db, held));
  if (why !== undefined) throw new PortcullisError('revision_regressed', `${why}; ${advice}`);
}

/** What a machine that does not lead sees; undefined: what it holds already. @throws {PortcullisError} `revision_regressed` where that is behind what it holds */
export async function newlySeen(db: Reader, headFile: string): Promise<JournalHead | undefined> {
  await requireSeen(db, headFile);
  const { position, revision, hash, revisionHash } = await storedHead(db);
  return readHeadFile(headFile)?.hash === hash ? undefined : { position, revision, hash, revisionHash };
}

/** What was seen stays beside, under a name of its own. False: nothing was. */
export async function acceptRestored(headFile: string): Promise<boolean> {
  if (!existsSync(headFile)) return false;
  await putInPlace(headFile, freeNameFor(headFile));
  return true;
}

function freeNameFor(file: string): string {
  for (let count = 1; ; count++) {
    const name = `${file}.before-restore-${count}`;
    if (!existsSync(name)) return name;
  }
}
