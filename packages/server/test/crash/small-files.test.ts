/** Each small file of authority, gate and desk: killed at each step of its writing, failed there, or without space from there on. Their rows are in `docs/operating/crash-table.md`. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { IssuerList } from '@portcullis/contract';
import { makeDirectory } from '@portcullis/device';
import { holdAtEachStep, type SmallWrite } from '../../../../test/dying-disk.ts';
import { destinationOf } from '../../src/backup/destination.ts';
import { exportLists } from '../../src/cli/list-export.ts';
import { makeWhole } from '../../src/cli/whole-directory.ts';
import { acceptRestore as acceptAtDesk, Position as DeskPosition } from '../../src/desk/position.ts';
import { Heads } from '../../src/gate/following/heads.ts';
import { acceptRestore, Position, positionIn } from '../../src/gate/following/position.ts';
import { acceptClock, ValidityClock } from '../../src/gate/following/validity-clock.ts';
import { numberPolicy } from '../../src/gate/policy/policy-number.ts';
import { acceptPrune, Retention } from '../../src/gate/recording/retention.ts';
import { readHeadFile, writeHeadFile } from '../../src/journal/head-file.ts';
import { acceptRestored } from '../../src/journal/seen-head.ts';
import { readVerifiedFile, writeVerifiedFile } from '../../src/journal/verified-file.ts';
import { fileKeys, fileSeal } from '../../src/keys/keys.ts';
import { requirePlace, writePlace } from '../../src/storage/sink/spool/place.ts';
import { createFile, createLog, realSystem, replaceFile, timestamp } from '../../src/telemetry/telemetry.ts';

const day = 86_400_000;
const start = Date.UTC(2030, 0, 1);
const log = createLog({ role: 'gate', level: 'silent' });
const hashAt = (revision: number) => String(revision).padStart(64, '0');
const itself = (directory: string) => directory;
const textIn = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8') : undefined);

function held<Writer>(name: string, write: SmallWrite<Writer>): void {
  test(name, async (context) => {
    context.diagnostic(`${await holdAtEachStep(write)} faults`);
  });
}

const fileIn = (directory: string) => join(directory, 'file.json');

held('at each step of its writing: a small file that is replaced', {
  prepare: (directory) => replaceFile(fileIn(directory), 'before'),
  open: itself,
  write: (directory) => replaceFile(fileIn(directory), 'after'.repeat(1_000)),
  read: (directory) => textIn(fileIn(directory)),
});

held('at each step of its writing: a small file that is made', {
  open: itself,
  write: (directory) =>
    createFile(fileIn(directory), 'after').catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    }),
  read: (directory) => textIn(fileIn(directory)),
});

const headAt = (revision: number) => ({
  position: revision,
  revision,
  hash: hashAt(revision),
  revisionHash: hashAt(revision),
});
const headIn = (directory: string) => join(directory, 'journal.head');

held('at each step of its writing: the head of the journal beside the store', {
  prepare: (directory) => writeHeadFile(headIn(directory), headAt(1)),
  open: itself,
  write: (directory) => writeHeadFile(headIn(directory), headAt(2)),
  read: (directory) => readHeadFile(headIn(directory)),
});

held('at each step of its writing: the head that is set aside when a restore is accepted', {
  prepare: (directory) => writeHeadFile(headIn(directory), headAt(1)),
  open: itself,
  write: (directory) => acceptRestored(headIn(directory)),
  read: (directory) => readdirSync(directory),
});

held('at each step of its writing: what a look at the whole journal found', {
  prepare: (directory) => writeVerifiedFile(fileIn(directory), { at: timestamp(start), entries: 1, whole: true }),
  open: itself,
  write: (directory) => writeVerifiedFile(fileIn(directory), { at: timestamp(start), entries: 2, whole: true }),
  read: (directory) => readVerifiedFile(fileIn(directory)),
});

held('at each step of its writing: a key of an issuer, for its owner alone', {
  open: itself,
  write: (directory) =>
    fileKeys(directory)
      .create('issuer')
      .catch((error) =>
        fileKeys(directory)
          .open('issuer')
          .catch(() => Promise.reject(error)),
      ),
  read: (directory) =>
    existsSync(join(directory, 'issuer.pem'))
      ? fileKeys(directory)
          .open('issuer')
          .then(({ name }) => name)
      : 'none',
});

const sealed = (directory: string) => fileSeal(join(directory, 'credentials.key'), realSystem);

held('at each step of its writing: the key that secrets in the store are sealed with', {
  open: sealed,
  write: (seal) => seal.make(),
  read: async (directory) => {
    if (!existsSync(join(directory, 'credentials.key'))) return 'none';
    const seal = sealed(directory);
    return (await seal.open(await seal.seal(Buffer.from('secret'), 'a'), 'a')).toString();
  },
});

const segment = Buffer.alloc(100_000, 'segment');

held('at each step of its writing: a segment of what the authority did, in its directory', {
  open: destinationOf,
  write: (destination) => destination.put('1.segment', segment, AbortSignal.timeout(60_000)),
  read: (directory) => textIn(join(directory, '1.segment')),
});

const listsOf = (generation: number) =>
  [
    {
      ...{ issuer: 'issuer-1', name: 'issuer 1', role: 'device', certificate: 'AAAA' },
      list: { number: generation, thisUpdate: timestamp(start), nextUpdate: timestamp(start), entries: 0, der: 'AAAA' },
    },
  ] as IssuerList[];
const listsAt = (directory: string, generation: number) =>
  exportLists(
    directory,
    listsOf(generation).map((one) => ({ ...one, certificate: `AAA${generation}` })),
    realSystem,
  );

held('at each step of its writing: lists for programs that load files', {
  prepare: (directory) => listsAt(directory, 1),
  open: itself,
  write: (directory) => listsAt(directory, 2),
  read: (directory) =>
    ['issuers.pem', 'lists.pem'].map((file) => textIn(join(directory, readlinkSync(join(directory, 'current')), file))),
  killLeaves: /^(generation-|current\.)/,
});

held('at each step of its making: a whole directory, as of a fleet or of a gate that joins', {
  open: (directory) => join(directory, 'fleet'),
  write: async (place) => {
    if (existsSync(place)) return;
    await makeWhole(place, async (beside) => {
      makeDirectory(beside);
      for (const name of ['root.pem', 'fleet.yaml']) await createFile(join(beside, name), name);
    });
  },
  read: (directory) => (existsSync(join(directory, 'fleet')) ? readdirSync(join(directory, 'fleet')) : 'none'),
  killLeaves: /^fleet\.new-/,
});

held('at each step of its writing: the number of a policy', {
  prepare: (directory) => numberPolicy(directory, 'one'),
  open: itself,
  write: (directory) => numberPolicy(directory, 'other'),
  read: (directory) => textIn(join(directory, 'policy.json')),
});

const movedTo = (position: Position, revision: number) => {
  position.move({ fleet: 'f', revision, hash: hashAt(revision) });
  return position.write();
};

held('at each step of its writing: where a gate stands', {
  prepare: (directory) => movedTo(new Position(positionIn(directory), log), 1),
  open: (directory) => new Position(positionIn(directory), log),
  write: (position) => movedTo(position, 2),
  read: (directory) => new Position(positionIn(directory), log).held,
  isSurvived: true,
});

held('at each step of its writing: a gate that is told to accept a restore', {
  prepare: async (directory) => {
    await headsOf(directory, 1).look();
    await movedTo(new Position(positionIn(directory), log), 2);
  },
  open: itself,
  write: acceptRestore,
  // Each head that it held is found, however often it was kept.
  read: (directory) => ({
    stands: new Position(positionIn(directory), log).held?.revision,
    aside: [
      ...new Set(
        readdirSync(directory).flatMap((name) =>
          /before-restore/.test(name) ? (textIn(join(directory, name))?.match(/"revision":\d/g) ?? []) : [],
        ),
      ),
    ],
  }),
  between: [
    { stands: 2, aside: ['"revision":1'] },
    { stands: 2, aside: ['"revision":1', '"revision":2'] },
  ],
  leaves: /before-restore/,
});

const headsOf = (directory: string, revision: number) =>
  new Heads({
    ...{ directory, log },
    applied: () => ({ revision, hash: hashAt(revision) }),
    now: () => start + revision * day,
  });

held('at each step of its writing: a head of the history that a gate keeps', {
  prepare: (directory) => headsOf(directory, 1).look(),
  open: (directory) => headsOf(directory, 2),
  write: (heads) => heads.look(),
  read: async (directory) => (await headsOf(directory, 0).kept()).map(({ revision }) => revision),
});

/** A gate whose clock was forty days ahead, and is right now. */
async function wasAhead(directory: string): Promise<void> {
  const position = new Position(positionIn(directory), log);
  position.move({ fleet: 'f', revision: 1, hash: hashAt(1) });
  position.raiseFloor(start + 40 * day);
  await position.write();
}
const clockOf = (directory: string) => {
  const position = new Position(positionIn(directory), log);
  return { position, clock: new ValidityClock({ directory, position, now: () => start, log }) };
};

held('at each step of its writing: the word that a gate’s clock is right', {
  prepare: wasAhead,
  open: itself,
  write: (directory) => acceptClock(directory, start),
  read: (directory) => textIn(join(directory, 'clock-accepted.json')),
});

held('at each step of its writing: what a gate makes of that word', {
  prepare: async (directory) => {
    await wasAhead(directory);
    await acceptClock(directory, start);
  },
  open: clockOf,
  write: async ({ clock }) => {
    clock.heard(start);
    await clock.settled();
  },
  // The word goes last: with it the floor may be either.
  read: (directory) => ({
    isAhead: clockOf(directory).clock.aheadMs() > 0,
    word: existsSync(join(directory, 'clock-accepted.json')),
  }),
  between: [{ isAhead: false, word: true }],
  isSurvived: true,
});

function retentionOf(directory: string, received: number[], now: number): Retention {
  return new Retention({
    ...{ directory, retainDays: 30, log },
    sink: {
      age: async (before) => ({ older: received.filter((at) => at < before).length, present: received.length }),
      prune: async (before) => received.filter((at) => at < before).length,
    },
    lease: { holds: () => true },
    authorityTime: () => now,
    now: () => now,
  });
}
/** All of it is old at once. */
const old = [start - 90 * day, start - 80 * day];

held('at each step of its writing: what a gate asks before it removes readings', {
  open: (directory) => retentionOf(directory, old, start),
  write: (retention) => retention.look(),
  read: (directory) => retentionOf(directory, old, start).waiting,
  isSurvived: true,
});

held('at each step of its writing: the word that readings may go', {
  prepare: (directory) => retentionOf(directory, old, start).look(),
  open: itself,
  write: acceptPrune,
  read: (directory) => textIn(join(directory, 'retention-accepted.json')),
});

held('at each step of its writing: whose readings wait in a spool', {
  prepare: (directory) => mkdirSync(join(directory, 'spool')),
  open: itself,
  write: (directory) => writePlace(directory, { sink: 'plant', gate: 'gate-1' }),
  read: (directory) => requirePlace(directory, { sink: 'plant', gate: 'gate-1' }),
});

const deskFile = (directory: string) => join(directory, 'position.json');
const toldAt = async (position: DeskPosition, revision: number) => {
  position.move({ revision, hash: hashAt(revision) });
  position.gaveList(revision);
  await position.close();
};

held('at each step of its writing: what a desk was told', {
  prepare: (directory) => toldAt(new DeskPosition(deskFile(directory), log), 1),
  open: (directory) => new DeskPosition(deskFile(directory), log),
  write: async (position) => {
    await toldAt(position, 2);
    await position.write();
  },
  read: (directory) => {
    const { seen, listNumber } = new DeskPosition(deskFile(directory), log);
    return { seen, listNumber };
  },
  isSurvived: true,
});

held('at each step of its writing: a desk that is told to accept a restore', {
  prepare: (directory) => toldAt(new DeskPosition(deskFile(directory), log), 1),
  open: itself,
  write: (directory) => acceptAtDesk(deskFile(directory)),
  read: (directory) => {
    const { seen, listNumber } = new DeskPosition(deskFile(directory), log);
    return { seen, listNumber };
  },
});

test('canary: a write that is not whole is found', async () => {
  await assert.rejects(
    holdAtEachStep({
      prepare: (directory) => replaceFile(fileIn(directory), 'before'),
      open: itself,
      write: async (directory) => {
        const handle = await open(fileIn(directory), 'w');
        await handle.writeFile('after').finally(() => handle.close());
      },
      read: (directory) => textIn(fileIn(directory)),
    }),
    /found ""|found "af"/,
  );
});
