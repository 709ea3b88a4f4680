/** Steps from an empty file to the present schema of a sink. A step is never edited once released. */
export const sinkMigrations: readonly string[] = [
  `
  -- lastReading: the highest number that pruning removed. Numbers are cursors, so none is given twice.
  CREATE TABLE progress (id INTEGER PRIMARY KEY CHECK (id = 1), looked INTEGER NOT NULL, lastReading INTEGER NOT NULL) STRICT;
  INSERT INTO progress VALUES (1, 0, 0);
  CREATE TABLE requests (
    number INTEGER PRIMARY KEY, batch INTEGER NOT NULL, subject TEXT NOT NULL, certificate TEXT NOT NULL, stream TEXT NOT NULL,
    receivedAt INTEGER NOT NULL, instance TEXT NOT NULL, policy INTEGER NOT NULL, revision INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'stored' CHECK (state IN ('stored', 'unproven', 'quarantined'))
  ) STRICT;
  CREATE INDEX requestsByBatch ON requests (batch);
  CREATE INDEX requestsByTime ON requests (receivedAt);
  CREATE INDEX requestsUnproven ON requests (batch) WHERE state = 'unproven';
  CREATE TABLE channels (number INTEGER PRIMARY KEY, subject TEXT NOT NULL, stream TEXT NOT NULL, UNIQUE (subject, stream)) STRICT;
  CREATE TABLE readings (
    number INTEGER PRIMARY KEY, request INTEGER NOT NULL, channel INTEGER NOT NULL, id TEXT NOT NULL, given INTEGER NOT NULL,
    deviceTime INTEGER, clock TEXT NOT NULL, data TEXT NOT NULL
  ) STRICT;
  -- Only ids that a device gave can repeat, and only among rows that are not quarantined (their \`given\` is cleared).
  -- The id comes first: ids that begin with a time, as the SDK makes them, are appended, whichever device they are of.
  -- With the channel first each device of a commit dirties a page of its own.
  CREATE UNIQUE INDEX readingsByKey ON readings (id, channel) WHERE given = 1;
  CREATE INDEX readingsByRequest ON readings (request);
  CREATE VIEW readable_readings AS
    SELECT readings.number, readings.id, requests.subject, requests.certificate, requests.stream, readings.deviceTime,
      requests.receivedAt, readings.clock, requests.instance, requests.policy, requests.revision,
      CASE requests.state WHEN 'unproven' THEN 'unproven' ELSE 'proven' END AS proof, readings.data
    FROM readings JOIN requests ON requests.number = readings.request
    WHERE requests.state <> 'quarantined' AND requests.batch <= (SELECT looked FROM progress);
  CREATE TABLE refusals (number INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, subject TEXT, verdict TEXT NOT NULL) STRICT;
  CREATE INDEX refusalsBySubject ON refusals (subject, number);
  `,
  `
  -- What is readable is called proven only once it is on record that it became so in time.
  ALTER TABLE progress ADD COLUMN proven INTEGER NOT NULL DEFAULT 0;
  UPDATE progress SET proven = looked;
  DROP VIEW readable_readings;
  CREATE VIEW readable_readings AS
    SELECT readings.number, readings.id, requests.subject, requests.certificate, requests.stream, readings.deviceTime,
      requests.receivedAt, readings.clock, requests.instance, requests.policy, requests.revision,
      CASE WHEN requests.state = 'unproven' OR requests.batch > (SELECT proven FROM progress) THEN 'unproven'
        ELSE 'proven' END AS proof,
      readings.data
    FROM readings JOIN requests ON requests.number = readings.request
    WHERE requests.state <> 'quarantined' AND requests.batch <= (SELECT looked FROM progress);
  `,
  `
  -- What rules find. An edge stays when it is taken, since a late reading asks on which side its sender was; it goes with the readings of
  -- its time. Numbers are told, so none is given twice.
  CREATE TABLE edges (
    number INTEGER PRIMARY KEY AUTOINCREMENT, batch INTEGER NOT NULL, instance TEXT NOT NULL, rule TEXT NOT NULL, revision INTEGER NOT NULL,
    subject TEXT NOT NULL, side TEXT NOT NULL CHECK (side IN ('outside', 'inside')), reading TEXT NOT NULL, at INTEGER NOT NULL,
    receivedAt INTEGER NOT NULL, clock TEXT NOT NULL, after INTEGER, late INTEGER NOT NULL, unproven INTEGER NOT NULL DEFAULT 0,
    taken INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX edgesUntold ON edges (number) WHERE taken = 0;
  CREATE INDEX edgesBySender ON edges (subject, rule, at);
  CREATE INDEX edgesByTime ON edges (receivedAt);
  -- How a sender's newest reading stood by a rule. fresh: its next one is an edge, whatever it says.
  CREATE TABLE senders (
    number INTEGER PRIMARY KEY, rule TEXT NOT NULL, subject TEXT NOT NULL, side TEXT NOT NULL, newest INTEGER NOT NULL,
    revision INTEGER NOT NULL, receivedAt INTEGER NOT NULL, fresh INTEGER NOT NULL, batch INTEGER NOT NULL, UNIQUE (subject, rule)
  ) STRICT;
  `,
  `
  -- Who brought it, whether its sender signed it, and how its sender counted it.
  ALTER TABLE requests ADD COLUMN carriedBy TEXT;
  ALTER TABLE requests ADD COLUMN sealed INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE readings ADD COLUMN run TEXT;
  ALTER TABLE readings ADD COLUMN sequence INTEGER;
  DROP VIEW readable_readings;
  CREATE VIEW readable_readings AS
    SELECT readings.number, readings.id, requests.subject, requests.certificate, requests.stream, readings.deviceTime,
      requests.receivedAt, readings.clock, requests.instance, requests.policy, requests.revision,
      readings.sequence, readings.run, requests.sealed, requests.carriedBy,
      CASE WHEN requests.state = 'unproven' OR requests.batch > (SELECT proven FROM progress) THEN 'unproven'
        ELSE 'proven' END AS proof,
      readings.data
    FROM readings JOIN requests ON requests.number = readings.request
    WHERE requests.state <> 'quarantined' AND requests.batch <= (SELECT looked FROM progress);
  `,
  `
  -- Messages that were refused for good, and acknowledged once they were here. Numbers are cursors, so none is given twice. digest: of the
  -- payload; the same one again is a repeat.
  CREATE TABLE refusedReadings (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, subject TEXT NOT NULL, certificate TEXT NOT NULL, topic TEXT NOT NULL,
    stream TEXT, id TEXT, reason TEXT NOT NULL, told TEXT NOT NULL, contentType TEXT, digest BLOB NOT NULL, bytes INTEGER NOT NULL,
    payload BLOB NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX refusedReadingsByKey ON refusedReadings (subject, topic, digest);
  CREATE INDEX refusedReadingsBySubject ON refusedReadings (subject, number, bytes);
  `,
  `
  -- Up to where each sender's counting of a stream is here, run by run, and which numbers before are not. counted: batches up to this one are in
  -- it. forgotten: how many numbers are missing that no row tells of any more.
  ALTER TABLE progress ADD COLUMN counted INTEGER NOT NULL DEFAULT 0;
  UPDATE progress SET counted = looked;
  CREATE TABLE runs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, channel INTEGER NOT NULL, run TEXT NOT NULL, lowest INTEGER NOT NULL, highest INTEGER NOT NULL,
    receivedAt INTEGER NOT NULL, forgotten INTEGER NOT NULL DEFAULT 0, UNIQUE (channel, run)
  ) STRICT;
  CREATE INDEX runsByTime ON runs (receivedAt);
  CREATE TABLE missing (
    number INTEGER PRIMARY KEY, run INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, since INTEGER NOT NULL, UNIQUE (run, first)
  ) STRICT;
  CREATE INDEX missingByTime ON missing (since);
  `,
  `
  -- What the gate had applied when it wrote this batch, and those after it up to the next row; null: it is not known.
  CREATE TABLE heads (batch INTEGER PRIMARY KEY, revision INTEGER, hash TEXT) STRICT;
  `,
];
