import type { AlertKind, AlertRetryRequest, AlertsQuery, AlertView } from '@portcullis/contract';
import type { By } from '../journal/journal.ts';
import type { Writer } from '../storage/storage.ts';

export interface Raised {
  kind: AlertKind;
  subject: string | null;
  /** What makes two the same: (kind, key) is one alert. */
  key: string;
  /** Milliseconds since 1970. */
  at: number;
  /** One sentence. */
  says: string;
  /** Small: as JSON it is sent to every target. */
  detail: Record<string, unknown>;
}

/** What rooms that find something are given: both within the transaction that causes it. */
export interface AlertsRaised {
  /** The same (kind, key) again, while it is not settled: nothing. */
  raise(db: Writer, alert: Raised): Promise<void>;
  /** It is over; where there is none that is not, nothing. */
  settle(db: Writer, kind: AlertKind, key: string, at: number): Promise<void>;
}

export type Work = 'alert' | 'retry';

export interface Page<Item> {
  items: Item[];
  next: string | null;
}

export interface Alerts extends AlertsRaised {
  list(query: AlertsQuery): Promise<Page<AlertView>>;
  /** Raises one of the kind `test`. Resolves to its id. */
  test(by: By, request: { reason?: string | undefined }): Promise<string>;
  /** Resolves to how many messages are tried anew. @throws {PortcullisError} `alert_unknown` */
  retry(by: By, request: AlertRetryRequest): Promise<number>;
  /** Called when there may be something to do, maybe before it is committed; `retry`: an operator asks for it. Returns how to stop. */
  onWork(listener: (why: Work) => void): () => void;
}
