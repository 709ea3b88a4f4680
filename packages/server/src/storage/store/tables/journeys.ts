import type { Generated } from 'kysely';

/** The tables of `journeys/`. */
export interface JourneysTables {
  /** Every version of every journey, as JSON: a shipment stays on the one that it was made with. */
  journeys: { name: string; version: number; body: string; since: number };
  /** What a shipment is beside a subject, and where it stands by the arrivals that count. */
  shipments: {
    id: string;
    journey: string;
    version: number;
    tracker: string | null;
    createdAt: number;
    stopped: number;
    /** `created`, `moving`, `returned` or `delivered`, also while it is stopped. */
    course: string;
    step: string | null;
    stepAt: number | null;
    /** The place of the last arrival that counts, from 1. */
    place: number;
    /** How many arrivals wait. */
    pending: number;
    /** When the next step is late; `ringAt` is null once that was told. */
    dueAt: number | null;
    ringAt: number | null;
  };
  /** What checkpoints recorded and tried, and what operators declared. Nothing is ever taken out. */
  arrivals: {
    number: Generated<number>;
    shipment: string;
    arrival: string;
    /** SHA-256 of what was asked: the same id with other content is another arrival. */
    digest: string;
    /** `recorded`, `pending`, `refused` or `voided`. */
    outcome: string;
    step: string | null;
    /** By which it is judged; `claimed`: it is what the checkpoint said. */
    at: number;
    claimed: number;
    receivedAt: number;
    checkpoint: string;
    declared: number;
    place: string | null;
    note: string | null;
    /** A JSON array of ids, or null. */
    readings: string | null;
    late: number;
    /** Why it was refused, as JSON. */
    refusal: string | null;
    /** The steps that it waits for as JSON, and until when. */
    waitsFor: string | null;
    waitsUntil: number | null;
    /** Its place among those that count. */
    counts: number | null;
    voidedAt: number | null;
    voidedBy: string | null;
    voidedReason: string | null;
    /** The arrival that this declaration stands for. */
    replaces: string | null;
    revision: number | null;
    signature: string | null;
  };
}

export const journeysTables = `
  CREATE TABLE journeys (
    name TEXT NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL, since INTEGER NOT NULL, PRIMARY KEY (name, version)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE shipments (
    id TEXT PRIMARY KEY REFERENCES subjects (id), journey TEXT NOT NULL, version INTEGER NOT NULL, tracker TEXT,
    createdAt INTEGER NOT NULL, stopped INTEGER NOT NULL, course TEXT NOT NULL, step TEXT, stepAt INTEGER, place INTEGER NOT NULL,
    pending INTEGER NOT NULL, dueAt INTEGER, ringAt INTEGER, FOREIGN KEY (journey, version) REFERENCES journeys (name, version)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX shipmentsByRing ON shipments (ringAt) WHERE ringAt IS NOT NULL;
  CREATE INDEX shipmentsByCourse ON shipments (course, id) WHERE stopped = 0;
  CREATE INDEX shipmentsStopped ON shipments (id) WHERE stopped = 1;
  CREATE INDEX shipmentsByJourney ON shipments (journey, id);
  CREATE INDEX shipmentsByTracker ON shipments (tracker) WHERE tracker IS NOT NULL;
  CREATE TABLE arrivals (
    number INTEGER PRIMARY KEY, shipment TEXT NOT NULL REFERENCES shipments (id), arrival TEXT NOT NULL, digest TEXT NOT NULL,
    outcome TEXT NOT NULL, step TEXT, at INTEGER NOT NULL, claimed INTEGER NOT NULL, receivedAt INTEGER NOT NULL,
    checkpoint TEXT NOT NULL, declared INTEGER NOT NULL, place TEXT, note TEXT, readings TEXT, late INTEGER NOT NULL, refusal TEXT,
    waitsFor TEXT, waitsUntil INTEGER, counts INTEGER, voidedAt INTEGER, voidedBy TEXT, voidedReason TEXT, replaces TEXT,
    revision INTEGER, signature TEXT, UNIQUE (shipment, arrival)
  ) STRICT;
  CREATE INDEX arrivalsByShipment ON arrivals (shipment, number);
  CREATE INDEX arrivalsThatCount ON arrivals (shipment, counts) WHERE counts IS NOT NULL;
  CREATE INDEX arrivalsThatCountByCheckpoint ON arrivals (checkpoint, shipment, counts) WHERE counts IS NOT NULL;
  CREATE INDEX arrivalsThatWait ON arrivals (waitsUntil) WHERE waitsUntil IS NOT NULL;
  CREATE INDEX arrivalsThatWaitByShipment ON arrivals (shipment, number) WHERE waitsUntil IS NOT NULL;
`;
