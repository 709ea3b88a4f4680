/** The operator's own credential, renewed by whichever command finds it due: nobody comes back after a year to a credential that is over. */
import { existsSync, mkdirSync, rmSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { authoritiesOf, PortcullisError } from '@portcullis/contract';
import {
  confirm,
  credentialFileIn,
  isUnknown,
  makeDirectory,
  renew,
  renewAgain,
  type System,
  writeCredential,
} from '@portcullis/device';
import { type Credential, failureOf, readCredential } from '@portcullis/device/client';
import { proveToAuthority } from '../credentials/credentials.ts';
import { isDue } from './fleet-client.ts';

const day = 86_400_000;
const warnedMs = 30 * day;
/** Whoever holds the turn for longer has died. */
const turnMsMax = 120_000;

/** Where the next credential is until it is confirmed. */
const folderIn = (directory: string) => join(directory, 'operator-renewal');

interface Own {
  directory: string;
  file: string;
  credential: Credential;
  system: System;
  notice(words: string): void;
}

/** What keeps it from being renewed is told in its last 30 days alone: until then the next command tries again. */
export async function renewOperator(own: Own): Promise<Credential> {
  const { credential, system, notice } = own;
  try {
    return (await inTurn(own, () => renewed(own))) ?? credential;
  } catch (error) {
    const { subject, notAfter } = credential;
    if (Date.parse(notAfter) - system.now() < warnedMs)
      notice(`the credential of ${subject} ends ${notAfter}, and could not be renewed: ${failureOf(error).message}`);
    return credential;
  }
}

/** Due or not. @throws {PortcullisError} `renewal_refused`, `renewal_too_soon`, `server_unreachable`, and `credential_unusable` where another command renews it */
export async function renewNow(own: Own): Promise<Credential> {
  const next = await inTurn(own, () => renewed(own, true));
  if (next) return next;
  throw new PortcullisError('credential_unusable', 'another command renews this credential now; try again');
}

/**
 * The next pair is shown to the authority, stands in the operator's file once that took it, and is confirmed then, which ends the one before it: a
 * crash between any two of these steps leaves a pair that works there, and the next command goes on with it.
 */
async function renewed({ directory, file, system, notice }: Own, isWanted = false): Promise<Credential> {
  const folder = folderIn(directory);
  const before = readCredential(file);
  if (!isWanted && !isDue(before, system.now())) return before;
  const kept = before.unconfirmed ? before : unprovenIn(folder, before);
  const next = kept
    ? await knownOf({ credential: kept, directory: folder })
    : await renew({ credential: before, directory: folder });
  // What has ended is no loss.
  if (!before.unconfirmed && Date.parse(before.notAfter) > system.now())
    await proveToAuthority(next, authoritiesOf(next));
  writeCredential(file, next);
  const { unconfirmed: _unconfirmed, ...confirmed } = await confirm({ credential: next, directory: folder });
  writeCredential(file, confirmed);
  rmSync(folder, { recursive: true, force: true });
  notice(
    `the credential of ${next.subject} was renewed until ${next.notAfter}; what was exported of the one before it is no longer valid`,
  );
  return confirmed;
}

/** An authority that was restored may not know it any more: it is asked anew, by the pair before. */
async function knownOf(kept: Parameters<typeof renewAgain>[0]): Promise<Credential> {
  return kept.credential.previous && (await isUnknown(kept)) ? renewAgain(kept) : kept.credential;
}

/** What an earlier command got for this pair, and could not prove. */
function unprovenIn(folder: string, before: Credential): Credential | undefined {
  const file = credentialFileIn(folder);
  if (!existsSync(file)) return undefined;
  const kept = readCredential(file);
  return kept.unconfirmed && kept.previous?.certificate === before.certificate ? kept : undefined;
}

/** One command at a time; the others go on with what they have. A pending key that a crash left there is used by the next. */
async function inTurn<Value>({ directory, system }: Own, work: () => Promise<Value>): Promise<Value | undefined> {
  const turn = join(directory, 'operator-renewal.turn');
  makeDirectory(folderIn(directory));
  try {
    mkdirSync(turn, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    // Of one that begins later the clock was set back meanwhile.
    if (Math.abs(system.now() - statSync(turn).mtimeMs) < turnMsMax) return undefined;
    utimesSync(turn, system.now() / 1000, system.now() / 1000);
  }
  try {
    return await work();
  } finally {
    rmSync(turn, { recursive: true, force: true });
  }
}
