import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PortcullisError } from '@portcullis/contract';
import { replaceFile } from '../durable.ts';

/** Whose readings an outbox holds. */
export interface Owner {
  fleet: string;
  subject: string;
}

/** No stream has such a name. */
const ownerFileIn = (outboxes: string) => join(outboxes, '.owner.json');

/**
 * Readings are sent by the subject that took them and by nobody else. An outbox without a name is the one of version 0.1.0, or
 * new: it takes the name of the credential that is there.
 * @throws {PortcullisError} `credential_unusable`
 */
export function requireOwner(outboxes: string, owner: Owner, isEmpty: () => boolean): void {
  const named = readOwner(outboxes);
  if (named?.fleet === owner.fleet && named.subject === owner.subject) return;
  if (named && !isEmpty()) {
    const theirs = `"${named.subject}" of "${named.fleet}"`;
    const message = `"${outboxes}" holds readings of ${theirs}, which "${owner.subject}" of "${owner.fleet}" never sends; move it away`;
    throw new PortcullisError('credential_unusable', message);
  }
  try {
    replaceFile(ownerFileIn(outboxes), `${JSON.stringify({ fleet: owner.fleet, subject: owner.subject })}\n`);
  } catch (error) {
    // A full disk must not keep readings from leaving it; the name is written at a later start.
    if (named || (error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}

function readOwner(outboxes: string): Owner | undefined {
  const file = ownerFileIn(outboxes);
  if (!existsSync(file)) return undefined;
  try {
    const { fleet, subject } = JSON.parse(readFileSync(file, 'utf8')) as Owner;
    if (typeof fleet === 'string' && typeof subject === 'string') return { fleet, subject };
  } catch {
    // Damaged: nobody is known to own it.
  }
  throw new PortcullisError(
    'credential_unusable',
    `"${file}" does not say whose readings these are; mend or remove it`,
  );
}
