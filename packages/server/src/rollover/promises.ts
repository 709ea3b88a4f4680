import type { RolloverRequest, RolloverStarted, RolloverStep, RolloversView, RolloverView } from '@portcullis/contract';
import type { By } from '../journal/journal.ts';

type Step = Pick<RolloverStep, 'force'>;

export interface Rollovers {
  list(): Promise<RolloversView>;
  /** @throws {PortcullisError} `rollover_under_way`, `key_unusable` */
  start(by: By, request: Omit<RolloverRequest, 'reason'>): Promise<RolloverStarted>;
  /** What a root on another machine answered. @throws {PortcullisError} `rollover_not_ready`, `file_unusable`, `key_unusable` */
  answer(by: By, text: string): Promise<RolloverView>;
  /** From prepared to trusted, and from there to issuing. @throws {PortcullisError} `rollover_not_ready`, `rollover_loses` */
  advance(by: By, step: Step): Promise<RolloverView>;
  /** @throws {PortcullisError} `rollover_not_ready`, `rollover_loses` */
  retire(by: By, step: Step): Promise<RolloverView>;
  /** Before anything was issued. @throws {PortcullisError} `rollover_not_ready` */
  abandon(by: By): Promise<RolloverView>;
  /** A gate or a desk says which version of the bundle it goes by. */
  heard(subject: string, version: number | undefined): void;
  /** Resolves once what was heard is on disk, and what follows from it done. */
  settled(): Promise<void>;
  /** Looks now at what ends soon, and at what is done by itself. */
  look(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
