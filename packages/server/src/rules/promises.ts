import type { BreachesQuery, BreachView, ExcursionsView, RuleView, ToldRules } from '@portcullis/contract';
import type { By } from '../journal/journal.ts';
import type { Reader } from '../storage/storage.ts';
import type { Acknowledged } from './acknowledge.ts';
import type { Report } from './take.ts';

export interface Rules {
  /** What a gate tells. Resolves once all edges that it names are durable. */
  take(gate: string, report: Report, by?: Pick<By, 'requireAllowed'>): Promise<{ taken: string[] }>;
  /** What gates are told. */
  readonly toTell: {
    current(): ToldRules;
    /** Returns what ends it. */
    onChange(listener: () => void): () => void;
  };
  /** The newest reading that a proof was looked at for. */
  proven(
    db: Reader,
    of: { rule: string; subject: string },
  ): Promise<{ side: 'inside' | 'outside'; at: number } | undefined>;
  /** Why it is not proven that an attribute was as it should be at a time; undefined: it is, or no rule moves it. */
  evidence(db: Reader, of: { subject: string; attribute: string; at: number }): Promise<{ why: string } | undefined>;
  list(): RuleView[];
  breaches(query: BreachesQuery): Promise<{ items: BreachView[]; next: string | null }>;
  /** @throws {PortcullisError} `subject_unknown` */
  excursions(subject: string): Promise<ExcursionsView>;
  /** @throws {PortcullisError} `breach_unknown` */
  acknowledge(by: By, asked: Acknowledged): Promise<{ revision: number; changed: number }>;
  /** Resolves once all that is due now has been looked at. */
  settled(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
