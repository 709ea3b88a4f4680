import type { Generated } from 'kysely';

/** The tables of `alerts/`. */
export interface AlertsTables {
  /** What happened, written by what it happened in. `toRoute`: 1 it is to be given to targets, 2 that it is over is, 3 both. */
  alerts: {
    number: Generated<number>;
    id: string;
    kind: string;
    subject: string | null;
    key: string;
    at: number;
    says: string;
    detail: string;
    settledAt: number | null;
    toRoute: number;
  };
  /** What one target is told in one go. `triedSince`: it was begun with, and takes no further alert. `dueAt` null: nothing is to be done. */
  alertMessages: {
    number: Generated<number>;
    id: string;
    target: string;
    kind: string;
    phase: string;
    state: string;
    createdAt: number;
    dueAt: number | null;
    triedSince: number | null;
    attempts: number;
    /** How often it was told again. */
    repeats: number;
    toldAt: number | null;
    error: string | null;
  };
  alertsOfMessages: { message: number; alert: number };
  /** Gates that hold a lease, so that one that is lost while the authority is down is missed. */
  leaseHolders: { gate: string; since: number };
}

export const alertsTables = `
  CREATE TABLE alerts (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, subject TEXT, key TEXT NOT NULL,
    at INTEGER NOT NULL, says TEXT NOT NULL, detail TEXT NOT NULL, settledAt INTEGER, toRoute INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX alertsUnsettled ON alerts (kind, key) WHERE settledAt IS NULL;
  CREATE INDEX alertsToRoute ON alerts (number) WHERE toRoute > 0;
  CREATE INDEX alertsBySubject ON alerts (subject, number);
  CREATE INDEX alertsByKind ON alerts (kind, number);
  CREATE TABLE alertMessages (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, target TEXT NOT NULL, kind TEXT NOT NULL, phase TEXT NOT NULL,
    state TEXT NOT NULL, createdAt INTEGER NOT NULL, dueAt INTEGER, triedSince INTEGER, attempts INTEGER NOT NULL,
    repeats INTEGER NOT NULL, toldAt INTEGER, error TEXT
  ) STRICT;
  CREATE INDEX alertMessagesDue ON alertMessages (target, dueAt) WHERE dueAt IS NOT NULL;
  CREATE INDEX alertMessagesOpen ON alertMessages (target, kind, phase) WHERE triedSince IS NULL AND state = 'waiting';
  CREATE INDEX alertMessagesByState ON alertMessages (state, number);
  CREATE TABLE alertsOfMessages (
    message INTEGER NOT NULL REFERENCES alertMessages (number) ON DELETE CASCADE,
    alert INTEGER NOT NULL REFERENCES alerts (number) ON DELETE CASCADE, PRIMARY KEY (message, alert)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX alertsOfMessagesByAlert ON alertsOfMessages (alert, message);
  CREATE TABLE leaseHolders (gate TEXT PRIMARY KEY, since INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`;
