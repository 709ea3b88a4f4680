/**
 * Run by the crash test: changes attributes, standings and key credentials as fast as it can until it is killed, several at a time,
 * and says each change that was answered, one a line. `node changing-process.ts DIRECTORY`
 */
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { type AttributeName, KeyCredentialRequest, type SubjectId } from '@portcullis/contract';
import { openAttributes } from '../../src/attributes/attributes.ts';
import { openJournal } from '../../src/journal/journal.ts';
import { openKeyCredentials } from '../../src/key-credentials/key-credentials.ts';
import { fileSeal } from '../../src/keys/keys.ts';
import { openRevocation } from '../../src/revocation/revocation.ts';
import { openSqliteStore } from '../../src/storage/storage.ts';
import { realSystem } from '../../src/telemetry/telemetry.ts';
import type { Answered } from './authority-changes.test.ts';

const directory = process.argv[2] as string;
const store = await openSqliteStore(directory);
const parts = { store, system: realSystem };
const journal = await openJournal({ ...parts, headFile: join(directory, 'journal.head') });
const attributes = await openAttributes({ directory, ...parts, journal, declared: {} });
const revocation = openRevocation({ ...parts, journal });
const seal = fileSeal(join(directory, 'credentials.key'), realSystem);
const keyCredentials = openKeyCredentials({ ...parts, journal, attributes, revocation, seal });
const by = { actor: 'operator-1' };
const counter = 'counter' as AttributeName;

/** Synchronous, so that a kill right after it loses no line. */
function say(answered: Answered): void {
  writeSync(1, `${JSON.stringify(answered)}\n`);
}

async function setAttribute(subject: SubjectId, value: number): Promise<void> {
  const { revision } = await attributes.change(by, { subjects: [subject], set: { [counter]: value } });
  say({ revision, subject, value });
}

async function changeStanding(subject: SubjectId, value: number): Promise<void> {
  const action = value % 2 === 0 ? 'suspend' : 'resume';
  const { revision, fingerprints } = await revocation.change(by, { action, subject });
  if (fingerprints.length > 0) say({ revision, subject, standing: action === 'suspend' ? 'suspended' : 'valid' });
}

async function setMany(subjects: SubjectId[], value: number): Promise<void> {
  const { revision } = await attributes.change(by, { subjects, set: { ['bulk' as AttributeName]: value } });
  say({ revision, subject: 'all', value });
}

async function worker(index: number): Promise<never> {
  const subject = `device-${index}` as SubjectId;
  for (let value = journal.head().revision; ; value++) {
    await setAttribute(subject, value);
    await changeStanding(subject, value);
  }
}

async function bulkWorker(): Promise<never> {
  const { items } = await attributes.list({ limit: 1_000, kind: 'device' });
  const subjects = items.map((item) => item.subject);
  for (let value = journal.head().revision; ; value++) await setMany(subjects, value);
}

async function keyWorker(subject: string): Promise<never> {
  for (;;) {
    const made = await keyCredentials.create(by, KeyCredentialRequest.parse({ subject, replace: true }));
    say({ revision: made.revision, subject, made: made.fingerprint, replaced: made.replaced });
  }
}

await Promise.all([worker(0), worker(1), worker(2), worker(3), keyWorker('device-4'), bulkWorker()]);
