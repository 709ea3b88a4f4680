import type {
  RolloverRequest,
  RolloverStarted,
  RolloverStep,
  RolloversView,
  RolloverView,
  Those,
} from '@portcullis/contract';
import type { By } from '../journal/journal.ts';
import type { Minding } from './next-issuer.ts';

type Step = Pick<RolloverStep, 'force' | 'without'>;

export interface Rollovers {
  list(): Promise<RolloversView>;
  /** From now on the next issuer for devices is made by itself, told, and signs when it is due. It is an authority that runs. */
  makesNext(minding: Minding): void;
  /** What came by itself and signs nothing yet gives way, but to one beside. @throws {PortcullisError} `rollover_under_way`, `key_unusable` */
  start(by: By, request: Omit<RolloverRequest, 'reason'>): Promise<RolloverStarted>;
  /** What a root on another machine answered. @throws {PortcullisError} `rollover_not_ready`, `file_unusable`, `key_unusable` */
  answer(by: By, text: string): Promise<RolloverView>;
  /** From prepared to trusted, and from there to issuing. @throws {PortcullisError} `rollover_not_ready`, `rollover_loses`, `key_unusable` */
  advance(by: By, step: Step): Promise<RolloverView>;
  /** @throws {PortcullisError} `rollover_not_ready`, `rollover_loses` */
  retire(by: By, step: Step): Promise<RolloverView>;
  /** Before anything was issued. @throws {PortcullisError} `rollover_not_ready` */
  abandon(by: By): Promise<RolloverView>;
  /** Gates and desks that have certificates of a root that was retired, and no other. */
  lost(): Promise<Those>;
  /** The version of the bundle that devices should have by now, where they have to renew for it. */
  readonly bundleDue: number | undefined;
  /** A gate or a desk says which version of the bundle it goes by; of several of one identity the one counts that is behind. */
  heard(subject: string, version: number | undefined, instance?: string): void;
  /** Resolves once what was heard is on disk, and what follows from it done. */
  settled(): Promise<void>;
  /** Looks now at what ends soon, and at what is done by itself. */
  look(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
