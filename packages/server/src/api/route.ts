import type { AuthorityStatus, Kind } from '@portcullis/contract';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { Alerts } from '../alerts/alerts.ts';
import type { Attributes } from '../attributes/attributes.ts';
import type { Authorities } from '../authorities/authorities.ts';
import type { Buckets } from '../bounds/bounds.ts';
import type { Enrolment } from '../enrolment/enrolment.ts';
import type { Feed } from '../feed/feed.ts';
import type { Imports } from '../imports/imports.ts';
import type { Issuance, Labels } from '../issuance/issuance.ts';
import type { By, Journal, Verified } from '../journal/journal.ts';
import type { Journeys } from '../journeys/journeys.ts';
import type { KeyCredentials } from '../key-credentials/key-credentials.ts';
import type { Codes } from '../publication/codes.ts';
import type { Lists, Revocation } from '../revocation/revocation.ts';
import type { Rollovers } from '../rollover/rollover.ts';
import type { Rules } from '../rules/rules.ts';
import type { SignalIntake, Signals } from '../signals/signals.ts';
import type { DiskSpace, Log, System } from '../telemetry/telemetry.ts';
import type { BodyBounds } from './body.ts';
import type { DeskReports } from './desk-reports.ts';
import type { Doors } from './door.ts';
import type { Peer } from './peer.ts';

/** The rooms that handlers call; each is handed those that its row names. */
export interface Rooms {
  alerts: Pick<Alerts, 'list' | 'retry' | 'test'>;
  attributes: Attributes;
  authorities: Authorities;
  codes: Codes;
  desks: DeskReports;
  doors: Pick<Doors, 'list'>;
  enrolment: Enrolment;
  feed: Feed;
  imports: Imports;
  intake: SignalIntake;
  issuance: Issuance;
  journal: Journal;
  journeys: Journeys;
  keyCredentials: KeyCredentials;
  labels: Pick<Labels, 'statementOf'>;
  lists: Pick<Lists, 'add' | 'current' | 'given' | 'mark'>;
  revocation: Revocation;
  signals: Signals;
  rollovers: Rollovers;
  rules: Pick<Rules, 'acknowledge' | 'breaches' | 'excursions' | 'list' | 'take'>;
  system: System;
  log: Log;
  fleet: string;
  /** Milliseconds since 1970. */
  startedAt: number;
  /** What is left of the disk that the store is on. */
  diskSpace(): Promise<DiskSpace>;
  /** How what is stored gets to another disk; undefined: it does not. */
  shipping(): Promise<AuthorityStatus['shipping']>;
  /** What was found when somebody last looked at all of the journal. */
  verified(): Verified | undefined;
  /** Names and addresses of a gate's server certificate when its token named none. */
  hosts: string[];
  /** How often a gate may have a server certificate. */
  serverCertificates: Buckets;
  /** How often a gate may ask for the context of a key credential. */
  keyContexts: Buckets;
  /** How many arrivals of a checkpoint may be refused: each is a row, and an entry of the journal, for good. */
  refusedArrivals: Buckets;
}

interface Schemas {
  params?: z.ZodType;
  query?: z.ZodType;
  body?: z.ZodType;
}

type Parsed<Schema> = Schema extends z.ZodType ? z.infer<Schema> : undefined;

export interface Call<Given extends Schemas> {
  params: Parsed<Given['params']>;
  query: Parsed<Given['query']>;
  body: Parsed<Given['body']>;
  /** Who calls; on the enrolment listener nobody is known yet. */
  peer: Peer;
  /** What a change that it asks for is done by. */
  by: By;
  request: FastifyRequest;
  reply: FastifyReply;
}

/** One row of the map. */
export interface Route {
  method: 'GET' | 'POST';
  path: string;
  /** Empty: the enrolment listener, where the request itself proves who may ask. */
  kinds: readonly Kind[];
  summary: string;
  uses: readonly (keyof Rooms)[];
  schemas: Schemas;
  answer?: z.ZodType | undefined;
  /** It makes one change by `by`, which is made once however often it is asked for with the same `Idempotency-Key`. */
  once?: true;
  bodyBytesMax?: number | undefined;
  /**
   * Its body is bytes, of any media type, within these bounds. Throws before any of it is read where the request may not ask; `peer` is not known
   * where a row names no kinds.
   */
  raw?(rooms: Partial<Rooms>, request: FastifyRequest, peer: Peer | undefined): BodyBounds;
  /** Of a row with `raw`: a request to it was refused, or failed. */
  refused?(rooms: Partial<Rooms>, request: FastifyRequest, error: unknown): Promise<void>;
  handle(rooms: Partial<Rooms>, call: Call<Schemas>): Promise<unknown>;
}

/** Whom a row admits, in words. What is only looked at, an operator that is read-only may look at too. */
export function admittedBy({ method, kinds }: Pick<Route, 'method' | 'kinds'>): string {
  const readOnlyToo = (kind: Kind) => (kind === 'operator' && method === 'GET' ? 'operator (read-only too)' : kind);
  return kinds.map(readOnlyToo).join(', ');
}

/** Ties a handler's types to its schemas, and to the rooms that its row names. */
export function route<Given extends Schemas, const Used extends keyof Rooms>(
  row: Omit<Route, 'handle' | 'raw' | 'refused' | 'schemas' | 'uses'> & {
    uses: readonly Used[];
    schemas: Given;
    raw?(rooms: Pick<Rooms, Used>, request: FastifyRequest, peer: Peer | undefined): BodyBounds;
    refused?(rooms: Pick<Rooms, Used>, request: FastifyRequest, error: unknown): Promise<void>;
    handle(rooms: Pick<Rooms, Used>, call: Call<Given>): Promise<unknown>;
  },
): Route {
  return row as unknown as Route;
}
