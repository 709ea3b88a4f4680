/** Each file of a device: killed at each step of its writing, failed there, or without space from there on. Their rows are in `docs/operating/crash-table.md`. */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { holdAtEachStep, type SmallWrite } from '../../../test/dying-disk.ts';
import { Spool } from './carrying/spool.ts';
import { type Taken, TakenFiles } from './commands/taken.ts';
import {
  adoptCredential,
  type Credential,
  credentialFileIn,
  pendingKey,
  readCredential,
  writeCredential,
} from './credential/credential.ts';
import { exportCredential } from './credential/export.ts';
import { noteUnknown, unknownSince } from './outbox/apart.ts';
import { Cursor } from './outbox/cursor.ts';
import { Outbox } from './outbox/outbox.ts';
import { requireOwner } from './outbox/owner.ts';
import { lineOf } from './outbox/reading.ts';
import { RefusedFile } from './outbox/refused-file.ts';
import { realSystem } from './system.ts';

const itself = (directory: string) => directory;
const textIn = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8') : undefined);

function held<Writer>(name: string, write: SmallWrite<Writer>): void {
  test(name, async (context) => {
    context.diagnostic(`${await holdAtEachStep(write)} faults`);
  });
}

const credentialOf = (bundleVersion: number) =>
  ({
    ...{ fleet: 'plant', subject: 'truck-17', kind: 'device', key: `key ${bundleVersion}`, certificate: 'leaf' },
    ...{ issuer: 'issuer', roots: 'root', bundleVersion, gates: ['https://localhost:8443'] },
    ...{ renewAfter: '2026-12-01T00:00:00.000Z', notAfter: '2026-12-20T00:00:00.000Z' },
    ...{ authority: 'https://localhost:8440', enrolment: 'https://localhost:8441' },
  }) as unknown as Credential;
const writtenIn = (directory: string, version: number) =>
  writeCredential(credentialFileIn(directory), credentialOf(version));
const versionIn = (directory: string) => readCredential(credentialFileIn(directory)).bundleVersion;

held('at each step of its writing: a credential', {
  prepare: (directory) => writtenIn(directory, 1),
  open: itself,
  write: (directory) => writtenIn(directory, 2),
  read: versionIn,
});

held('at each step of its writing: the key that waits for its certificate', {
  open: itself,
  write: (directory) => pendingKey(directory),
  read: (directory) => {
    const text = textIn(join(directory, 'pending.json'));
    return text === undefined ? 'none' : pendingKey(directory) === (JSON.parse(text) as { key: string }).key;
  },
});

const pairIn = (directory: string) => ({
  version: versionIn(directory),
  waits: existsSync(join(directory, 'pending.json')),
});

held('at each step of its writing: a renewed credential, whose key does not wait any more', {
  prepare: (directory) => {
    writtenIn(directory, 1);
    pendingKey(directory);
  },
  open: itself,
  write: (directory) => adoptCredential(directory, credentialOf(2)),
  read: pairIn,
  between: [{ version: 2, waits: true }],
});

held('at each step of its writing: what other tools read of a credential', {
  prepare: (directory) => exportCredential({ ...credentialOf(1), certificate: 'leaf 1', roots: 'root 1' }, directory),
  open: itself,
  write: (directory) => exportCredential({ ...credentialOf(2), certificate: 'leaf 2', roots: 'root 2' }, directory),
  read: (directory) => ['cert.pem', 'key.pem', 'root.pem'].map((name) => textIn(join(directory, name))),
  between: [
    ['leaf 2issuer', 'key 1', 'root 1'],
    ['leaf 2issuer', 'key 2', 'root 1'],
  ],
});

const lineAt = (number: number) =>
  lineOf(`{"value":${number}}`, { id: `r-${number}`, time: '2026-11-23T12:00:00.000Z', clock: 'unknown' });
const idsIn = (directory: string) => {
  const outbox = new Outbox(directory);
  const lines = outbox.peek(1_000, 1_000_000).map(({ line }) => line);
  outbox.close();
  return [...new Set(lines.map((line) => /"_id":"([^"]+)"/.exec(line)?.[1]))];
};
async function putOne(directory: string, number: number): Promise<void> {
  const outbox = new Outbox(directory);
  await outbox.put(lineAt(number));
  outbox.close();
}

for (const [name, prepare] of [
  ['at each step of its writing: the first reading of an outbox, with the name of its run', () => undefined],
  ['at each step of its writing: a reading in an outbox', (directory: string) => putOne(directory, 1)],
] as const)
  held(name, {
    prepare,
    open: (directory) => new Outbox(directory),
    write: (outbox) => outbox.put(lineAt(2)),
    read: idsIn,
    // A process that was killed left a file for those that it would have taken.
    leaves: /\.log$/,
  });

const moved = (directory: string, offset: number) => {
  const cursor = new Cursor(directory);
  cursor.move({ segment: 3, offset });
  cursor.close();
};

for (const [name, prepare] of [
  ['at each step of its writing: the first cursor of an outbox', () => undefined],
  ['at each step of its writing: the cursor of an outbox', (directory: string) => moved(directory, 10)],
] as const)
  held(name, {
    prepare,
    open: (directory) => new Cursor(directory),
    write: (cursor) => cursor.move({ segment: 3, offset: 20 }),
    read: (directory) => new Cursor(directory).place,
    // Without room it is told, and what is done is sent once more.
    isSurvived: true,
  });

const refusal = { stream: 'telemetry', reason: 'condition_not_met', title: 'no' };
const refuse = (file: RefusedFile, id: string) => file.add(refusal, `{"_id":"${id}"}`);

/** As `outbox retry --refused` finds them, which takes them out of the way. */
function refusedIn(directory: string): string[] {
  const copy = mkdtempSync(join(tmpdir(), 'portcullis-refused-'));
  try {
    cpSync(directory, copy, { recursive: true });
    const found = new RefusedFile(copy, realSystem).take().map(({ line }) => line);
    return [...new Set(found)].toSorted();
  } finally {
    rmSync(copy, { recursive: true });
  }
}

held('at each step of its writing: a reading that was refused', {
  prepare: (directory) => refuse(new RefusedFile(directory, realSystem), 'a'),
  open: (directory) => new RefusedFile(directory, realSystem),
  write: (file) => refuse(file, 'b'),
  read: refusedIn,
});

held('at each step of its writing: refused readings of which one is sent again', {
  prepare: (directory) => {
    for (const id of ['a', 'b']) refuse(new RefusedFile(directory, realSystem), id);
  },
  open: (directory) => new RefusedFile(directory, realSystem),
  write: (file) => file.giveBack(file.take().filter(({ line }) => line.includes('"b"'))),
  read: refusedIn,
});

held('at each step of its writing: a stream that no gate knows', {
  open: itself,
  write: (directory) => noteUnknown(directory, '2026-11-23T12:00:00.000Z'),
  read: unknownSince,
  isSurvived: true,
});

held('at each step of its writing: whose readings an outbox holds', {
  open: itself,
  write: (directory) => requireOwner(directory, { fleet: 'plant', subject: 'truck-17' }, () => true),
  read: (directory) => textIn(join(directory, '.owner.json')),
  isSurvived: true,
});

const taken = (lines: number): Taken => ({
  ...{ stream: 'telemetry', file: '/readings', device: 1, inode: 1, bytes: lines, lines, hash: 'a', ids: 'one' },
  ...{ group: null, isComplete: false },
});

held('at each step of its writing: how much of a file was taken', {
  prepare: (directory) => new TakenFiles(directory).write(taken(1)),
  open: (directory) => new TakenFiles(directory),
  write: (files) => files.write(taken(2)),
  read: (directory) => textIn(join(directory, 'taken', 'one.json')),
});

const parcel = { stream: 'telemetry', mediaType: 'application/jose', body: Buffer.from('a.b.c\n') };
const parcelName = Spool.nameOf(parcel);
const withoutOrder = (name: string) => name.slice(name.indexOf('-'));
const carriedIn = (directory: string) => {
  const spool = new Spool(directory);
  return { waits: spool.has(parcelName), answer: spool.answerOf(parcelName)?.status };
};

held('at each step of its writing: a parcel that is carried for another', {
  open: (directory) => new Spool(directory),
  write: (spool) => spool.keep(parcelName, parcel, 'a'),
  read: carriedIn,
  named: withoutOrder,
  isSurvived: true,
});

held('at each step of its writing: what a gate answered to a parcel', {
  prepare: (directory) => new Spool(directory).keep(parcelName, parcel, 'a'),
  open: (directory) => new Spool(directory),
  write: (spool) => spool.answer(parcelName, { status: 200, mediaType: 'application/jose', body: Buffer.from('said') }),
  read: carriedIn,
  named: withoutOrder,
  isSurvived: true,
});
