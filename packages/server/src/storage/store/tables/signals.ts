/** The tables of `signals/`. */
export interface SignalsTables {
  /** How an alert of a source stands, for as long as there is a hold of it, or was. Times of its own are nanoseconds since 1970 as text. */
  signals: {
    source: string;
    key: string;
    /** `firing` or `claimed_resolved`. */
    state: string;
    since: number;
    startsAt: string | null;
    endsAt: string | null;
    refuted: string | null;
    doubtful: number;
    /** What its sender said when it was asked: `muted`, `gone`, or null: it is active, or was never asked for. */
    seen: string | null;
    seenSince: number | null;
  };
  /** `attribute` is empty where the standing is held, and `value` too. */
  holds: {
    id: string;
    source: string;
    key: string;
    reaction: number;
    subject: string;
    attribute: string;
    value: string;
    reason: string;
    since: number;
    /** `person`, `resolved` or `time`. */
    lifts: string;
    /** When it ends, of `time`. */
    endsAt: number | null;
    settleMs: number;
    /** The rule that says whether a reading proves that all is well. */
    proof: string | null;
    /** Its source was over its limit: it is not in force. */
    waiting: number;
    revision: number;
    endedAt: number | null;
    endedBy: string | null;
  };
}

export const signalsTables = `
  CREATE TABLE signals (
    source TEXT NOT NULL, key TEXT NOT NULL, state TEXT NOT NULL, since INTEGER NOT NULL, startsAt TEXT, endsAt TEXT, refuted TEXT,
    doubtful INTEGER NOT NULL, seen TEXT, seenSince INTEGER, PRIMARY KEY (source, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX signalsClaimed ON signals (source, key) WHERE state = 'claimed_resolved';
  CREATE TABLE holds (
    id TEXT PRIMARY KEY, source TEXT NOT NULL, key TEXT NOT NULL, reaction INTEGER NOT NULL,
    subject TEXT NOT NULL REFERENCES subjects (id), attribute TEXT NOT NULL, value TEXT NOT NULL, reason TEXT NOT NULL,
    since INTEGER NOT NULL, lifts TEXT NOT NULL, endsAt INTEGER, settleMs INTEGER NOT NULL, proof TEXT,
    waiting INTEGER NOT NULL, revision INTEGER NOT NULL, endedAt INTEGER, endedBy TEXT,
    FOREIGN KEY (source, key) REFERENCES signals (source, key)
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX holdsByCause ON holds (source, key, reaction, subject, attribute, value) WHERE endedAt IS NULL;
  CREATE INDEX holdsByKey ON holds (source, key);
  CREATE INDEX holdsBySubject ON holds (subject, attribute) WHERE endedAt IS NULL;
  CREATE INDEX holdsByEnd ON holds (endsAt) WHERE endedAt IS NULL AND endsAt IS NOT NULL;
  CREATE INDEX holdsBySince ON holds (source, since);
  CREATE INDEX holdsLiveBySource ON holds (source, waiting) WHERE endedAt IS NULL;
  CREATE INDEX holdsLive ON holds (since, id) WHERE endedAt IS NULL;
  CREATE INDEX holdsEnded ON holds (endedAt) WHERE endedAt IS NOT NULL;
`;
