import type {
  ArrivalAnswer,
  ArrivalRequest,
  CourseRequest,
  DeclarationRequest,
  ExpectedNext,
  Journey,
  JourneyView,
  PublicCode,
  PublicJourney,
  ShipmentCreated,
  ShipmentItem,
  ShipmentRequest,
  ShipmentsQuery,
  ShipmentView,
  VoidRequest,
} from '@portcullis/contract';
import type { Attributes } from '../attributes/attributes.ts';
import type { By, ChangeTransaction, Journal } from '../journal/journal.ts';
import type { Reader, Store, Writer } from '../storage/storage.ts';
import type { Log, System } from '../telemetry/telemetry.ts';
import type { Evidence } from './facts.ts';
import type { Refusal } from './judge.ts';

/** What an alert says that this room causes. */
export interface Ring {
  kind: 'out_of_sequence' | 'late' | 'arrival_pending';
  subject: string;
  /** What makes two the same. */
  key: string;
  at: number;
  says: string;
  detail: Record<string, unknown>;
}

/** Both in the transaction that causes it. */
export interface Rings {
  raise(db: Writer, ring: Ring): Promise<void>;
  settle(db: Writer, kind: Ring['kind'], key: string, at: number): Promise<void>;
}

/** The files of the journeys, which may change while the authority runs. */
export interface JourneySource {
  /** Changes when one of them does. */
  mark(): string;
  load(): Journey[];
}

export interface JourneyParts {
  store: Store;
  journal: Journal;
  attributes: Attributes;
  alerts: Rings;
  /** The code that a shipment's label leads to; it is made with it. */
  codes: { make(db: Writer, shipment: string): Promise<PublicCode> };
  /** What one without a tracker is known by: signed before its revision, recorded within it. */
  labels: {
    make(shipment: string, says: Record<string, string>): Promise<{ record(change: ChangeTransaction): Promise<void> }>;
  };
  evidence: Evidence;
  source: JourneySource;
  system: Pick<System, 'now'>;
  log: Pick<Log, 'error'>;
}

export interface Page<Item> {
  items: Item[];
  next: string | null;
}

/** An arrival as it was asked for. */
export interface Asks extends ArrivalRequest {
  shipment: string;
  /** The JWS that says so, where it was signed when it was scanned. */
  signature?: string | undefined;
}

export type Recorded = ({ outcome: 'recorded' | 'pending' } & ArrivalAnswer) | { outcome: 'refused'; refusal: Refusal };

export interface Journeys {
  /** By their newest versions. @throws {PortcullisError} `config_invalid` */
  list(): Promise<JourneyView[]>;
  /** @throws {PortcullisError} `journey_unknown`, `shipment_exists`, `kind_conflict`, `subject_unknown`, `tracker_bound`, `attribute_reserved` */
  create(by: By, request: ShipmentRequest): Promise<ShipmentCreated>;
  shipments(query: ShipmentsQuery): Promise<Page<ShipmentItem>>;
  /** @throws {PortcullisError} `subject_unknown` */
  read(shipment: string): Promise<ShipmentView>;
  /** What a checkpoint may know before it records. @throws {PortcullisError} `subject_unknown` */
  expected(shipment: string, checkpoint: string): Promise<ExpectedNext>;
  /** By the actor, a checkpoint. Recorded or refused, it is kept. @throws {PortcullisError} `subject_unknown` */
  record(by: By, asks: Asks): Promise<Recorded>;
  /** @throws {PortcullisError} `arrival_unknown`, `correction_not_allowed` */
  takeBack(by: By, shipment: string, request: VoidRequest): Promise<{ revision: number }>;
  /** @throws {PortcullisError} `correction_not_allowed`, or why it is refused */
  declare(by: By, shipment: string, request: DeclarationRequest): Promise<ArrivalAnswer>;
  /** @throws {PortcullisError} `subject_unknown`, `journey_unknown`, `correction_not_allowed` */
  steer(by: By, shipment: string, request: CourseRequest): Promise<{ revision: number; changed: 0 | 1 }>;
  /** Of those that are shipments. */
  publicOf(db: Reader, shipments: readonly string[]): Promise<Map<string, PublicJourney>>;
  /** The attribute of a checkpoint that is its name in public. */
  readonly publicName: string;
  /** The shipments whose public journey names this checkpoint, in the order of their ids. */
  namedIn(db: Reader, checkpoint: string, after: string, limit: number): Promise<string[]>;
  [Symbol.asyncDispose](): Promise<void>;
}
