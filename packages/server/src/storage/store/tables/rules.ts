import type { Generated } from 'kysely';

/** The tables of `rules/`. Times are milliseconds since 1970. */
export interface RulesTables {
  /** Every version of every rule, the newest with the greatest revision; `body` null: it was taken away. */
  ruleVersions: { rule: string; revision: number; at: number; body: string | null };
  /** Who spoke for whom, by the attribute that says so; `until` null: it still does. */
  ruleBindings: { name: string; sender: string; since: number; until: number | null; subject: string };
  /** What gates told: `number` is the place in the order of `source`. */
  ruleEdges: {
    gate: string;
    source: string;
    number: number;
    rule: string;
    ruleRevision: number;
    sender: string;
    reading: string;
    side: string;
    at: number;
    receivedAt: number;
    after: number | null;
    late: number;
    unproven: number;
    pauseMs: number;
  };
  /** The newest reading of each sender at each gate. `toldAt`: when the gate last told anything of it. */
  ruleNewest: { rule: string; sender: string; gate: string; at: number; side: string; toldAt: number };
  /** Why nothing was heard at a time; without a sender: of all. */
  ruleCauses: { sender: string; at: number; reason: string };
  /** What was found of each subject under each rule, and when to look again. */
  ruleStates: {
    rule: string;
    subject: string;
    status: string;
    dueAt: number | null;
    judgedAt: number | null;
    /** Any reading may change it. */
    waits: number;
    /** What the rule's attributes were before it first moved them, as JSON. */
    before: string | null;
    /** What was found, as JSON. */
    found: string | null;
    /** Since when there is a gap that was told of. */
    silentSince: number | null;
  };
  ruleBreaches: {
    id: Generated<number>;
    rule: string;
    subject: string;
    kind: string;
    sender: string;
    since: number;
    until: number | null;
    at: number;
    limitMs: number;
    ruleRevision: number;
    foundAt: number;
    /** 0: what became known since shows none. */
    stands: number;
    afterDelivery: number;
    acknowledgedAt: number | null;
    acknowledgedBy: string | null;
    reason: string | null;
  };
  /** Up to when a person decided what was not known. */
  ruleDecisions: { rule: string; subject: string; at: number; actor: string; reason: string };
}

export const rulesTables = `
  CREATE TABLE ruleVersions (
    rule TEXT NOT NULL, revision INTEGER NOT NULL, at INTEGER NOT NULL, body TEXT, PRIMARY KEY (rule, revision)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE ruleBindings (
    name TEXT NOT NULL, sender TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER, subject TEXT NOT NULL,
    PRIMARY KEY (name, sender, since)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX ruleBindingsBySubject ON ruleBindings (name, subject);
  CREATE TABLE ruleEdges (
    gate TEXT NOT NULL, source TEXT NOT NULL, number INTEGER NOT NULL, rule TEXT NOT NULL, ruleRevision INTEGER NOT NULL,
    sender TEXT NOT NULL, reading TEXT NOT NULL, side TEXT NOT NULL, at INTEGER NOT NULL, receivedAt INTEGER NOT NULL, after INTEGER,
    late INTEGER NOT NULL, unproven INTEGER NOT NULL, pauseMs INTEGER NOT NULL, PRIMARY KEY (gate, source, number)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX ruleEdgesBySender ON ruleEdges (rule, sender, at);
  CREATE TABLE ruleNewest (
    rule TEXT NOT NULL, sender TEXT NOT NULL, gate TEXT NOT NULL, at INTEGER NOT NULL, side TEXT NOT NULL, toldAt INTEGER NOT NULL,
    PRIMARY KEY (rule, sender, gate)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE ruleCauses (sender TEXT NOT NULL, at INTEGER NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (sender, at, reason))
    STRICT, WITHOUT ROWID;
  CREATE TABLE ruleStates (
    rule TEXT NOT NULL, subject TEXT NOT NULL, status TEXT NOT NULL, dueAt INTEGER, judgedAt INTEGER, waits INTEGER NOT NULL,
    before TEXT, found TEXT, silentSince INTEGER, PRIMARY KEY (rule, subject)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX ruleStatesDue ON ruleStates (dueAt) WHERE dueAt IS NOT NULL;
  CREATE INDEX ruleStatesBySubject ON ruleStates (subject);
  CREATE TABLE ruleBreaches (
    id INTEGER PRIMARY KEY AUTOINCREMENT, rule TEXT NOT NULL, subject TEXT NOT NULL, kind TEXT NOT NULL, sender TEXT NOT NULL,
    since INTEGER NOT NULL, until INTEGER, at INTEGER NOT NULL, limitMs INTEGER NOT NULL, ruleRevision INTEGER NOT NULL,
    foundAt INTEGER NOT NULL, stands INTEGER NOT NULL, afterDelivery INTEGER NOT NULL, acknowledgedAt INTEGER, acknowledgedBy TEXT,
    reason TEXT
  ) STRICT;
  CREATE INDEX ruleBreachesBySubject ON ruleBreaches (subject, rule);
  CREATE INDEX ruleBreachesOpen ON ruleBreaches (id) WHERE acknowledgedAt IS NULL;
  CREATE TABLE ruleDecisions (
    rule TEXT NOT NULL, subject TEXT NOT NULL, at INTEGER NOT NULL, actor TEXT NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (rule, subject, at)
  ) STRICT, WITHOUT ROWID;
`;
