import { existsSync } from 'node:fs';
import { PortcullisError } from '@portcullis/contract';
import { type Credential, credentialFileIn, enrol, type System } from '@portcullis/device';
import type { KeptSubjects, Wanted } from './kept-subjects.ts';
import type { Simulated } from './simulated-device.ts';
import { strangerOf } from './stranger.ts';

/** What is asked of the fleet's own authority, by its operator. */
export interface Authority {
  /** A token each, for subjects that are made if they are new. @throws {PortcullisError} `usage`: one is of somebody else */
  tokens(subjects: readonly string[]): Promise<{ subject: string; token: string }[]>;
  revoke(subjects: readonly string[]): Promise<void>;
}

interface Parts {
  kept: KeptSubjects;
  authority: Authority;
  /** Of an operator: whose word counts for who servers are. */
  operator: Credential;
  system: System;
  progress(words: string): void;
  signal: AbortSignal;
}

const tokensAtOnce = 100;
const revokedAtOnce = 500;
const enrolmentsAtOnce = 8;

export interface Enrolled {
  devices: Simulated[];
  /** How many had to be enrolled now. */
  enrolled: number;
}

/** All of them with a certificate: a kept one, or one that the fleet's authority issues now. What ended in between is gone on with at the next run. */
export async function enrolSubjects(wanted: readonly Wanted[], parts: Parts): Promise<Enrolled> {
  const { kept, system, operator } = parts;
  const missing = wanted.filter(({ subject, flaw }) => flaw !== 'unknown' && !kept.credentialOf(subject, system.now()));
  await enrolMissing(missing, parts);
  const devices: Simulated[] = [];
  for (const { subject, flaw } of wanted) {
    const directory = kept.directoryOf(subject);
    const credential =
      flaw === 'unknown' ? await strangerOf(operator, subject, system) : kept.credentialOf(subject, system.now());
    // A run that was interrupted while they enrolled has some of them alone.
    if (credential) devices.push({ credential, directory, ...(flaw && { flaw }) });
  }
  // Each time: a run that ended before it came to this has left some valid.
  const revoked = wanted.filter(({ flaw }) => flaw === 'revoked').map(({ subject }) => subject);
  for (let from = 0; from < revoked.length && !parts.signal.aborted; from += revokedAtOnce)
    await parts.authority.revoke(revoked.slice(from, from + revokedAtOnce));
  return { devices, enrolled: missing.length };
}

async function enrolMissing(missing: readonly Wanted[], parts: Parts): Promise<void> {
  let done = 0;
  for (let from = 0; from < missing.length && !parts.signal.aborted; from += tokensAtOnce) {
    const subjects = missing.slice(from, from + tokensAtOnce).map(({ subject }) => subject);
    const tokens = await parts.authority.tokens(subjects);
    await inLanes(tokens, async ({ subject, token }) => {
      if (parts.signal.aborted) return;
      await enrolOne(parts.kept.directoryOf(subject), token);
      done++;
      parts.progress(`enrolled ${done} of ${missing.length}`);
    });
  }
}

async function enrolOne(directory: string, token: string): Promise<void> {
  const replace = existsSync(credentialFileIn(directory));
  try {
    await enrol({ token, directory, replace });
  } catch (error) {
    if (!(error instanceof PortcullisError)) throw error;
    const { code, message, detail } = error;
    throw new PortcullisError(code, `couldn't enrol "${directory}": ${message}`, { cause: error, detail });
  }
}

/** So many at a time. After the first failure no other is begun, and what was begun has ended when that is thrown. */
async function inLanes<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  const waiting = items.values();
  const failures: unknown[] = [];
  const lane = async () => {
    for (const item of waiting) {
      if (failures.length > 0) return;
      await work(item).catch((error: unknown) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: enrolmentsAtOnce }, lane));
  if (failures.length > 0) throw failures[0];
}
