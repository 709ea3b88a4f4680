/** What a world is made of: the parts under test, and what it keeps of each process. */
import { LeaseBook, type LeaseTerms } from '../../src/feed/lease-book.ts';
import { type Ground, judge } from '../../src/gate/admission/admit.ts';
import type { Connection } from '../../src/gate/connections/connections.ts';
import { Recording, type RecordingParts } from '../../src/gate/recording/recording.ts';
import { type Clocks, Lease, Replica } from '../../src/replica/replica.ts';
import type { Disk, Row } from './disk.ts';

/** The parts under test; a canary gives one with a rule switched off. */
export interface Assembly {
  makeBook(terms: LeaseTerms): LeaseBook;
  makeLease(clocks: Clocks): Lease;
  makeReplica(): Replica;
  makeRecording(parts: RecordingParts<Row>): Recording<Row>;
  judge: typeof judge;
  /** Clocks run fast or slow by up to this share. */
  drift: number;
}

export const realAssembly: Assembly = {
  makeBook: (terms) => new LeaseBook(terms),
  makeLease: (clocks) => new Lease(clocks),
  makeReplica: () => new Replica(),
  makeRecording: (parts) => new Recording(parts),
  judge,
  drift: 0.009,
};

export interface Authority {
  alive: boolean;
  book: LeaseBook;
  since: Map<number, number>;
}

/** A revision and its hash. */
export type Head = Pick<Replica, 'revision' | 'hash'>;

export interface Gate {
  name: string;
  instance: string;
  alive: boolean;
  pausedUntil: number;
  /** What it has told to be applied, or may tell. */
  reportable: Head;
  disk: Disk;
  /** What an earlier process left on its disk is settled; before that it takes no reading and reports nothing. */
  settled: 'not yet' | 'asked' | 'yes';
  /** It takes nothing more. */
  stopping: boolean;
  replica: Replica;
  /** Of the device whose history it is, and of one that is always admitted. */
  device: Connection;
  other: Connection;
  ground: Ground;
  lease: Lease;
  recording: Recording<Row>;
  feed: Authority | undefined;
  connection: number;
  lastDue: number;
}
