import type {
  Addresses,
  ConfirmationRequest,
  EnrolmentRequest,
  GateList,
  GatesRequest,
  IssuedCredential,
  Kind,
  RenewalRequest,
  SignedAnswer,
  TimeRequest,
  TokenCreated,
  TokensQuery,
  TokensRequest,
  TokenView,
  UsesReport,
} from '@portcullis/contract';
import type { z } from 'zod';
import type { By } from '../journal/journal.ts';
import type { Est } from './est/est.ts';

/** An answer is signed for everybody but a device of the first release, which could not tell. */
export interface Enrolment {
  /** One transaction, one revision. @throws {PortcullisError} `kind_conflict`, `after_revocation_required`, `subject_retired` */
  createTokens(by: By, request: z.infer<typeof TokensRequest>): Promise<{ revision: number; tokens: TokenCreated[] }>;
  listTokens(query: TokensQuery): Promise<{ items: TokenView[]; next: string | null }>;
  /** Resolves to how many it voided. @throws {PortcullisError} `token_unknown` */
  revokeToken(by: By, id: string): Promise<number>;
  /** @throws {PortcullisError} `token_refused`, `rate_limited`, and those of a request */
  enrol(address: string, request: EnrolmentRequest): Promise<IssuedCredential | SignedAnswer>;
  /** Good for a minute; nothing is kept for it. */
  nonce(): string;
  /** @throws {PortcullisError} `renewal_refused`, `certificate_unknown`, `rate_limited`, and those of a request */
  renew(address: string, request: RenewalRequest): Promise<IssuedCredential | SignedAnswer>;
  /** The first use of a renewed certificate supersedes the one before it. */
  confirm(address: string, request: ConfirmationRequest): Promise<{ confirmed: true } | SignedAnswer>;
  /** What a gate admitted readings by: confirms what came by EST, and resolves to how many that were. */
  used(by: By, report: UsesReport): Promise<number>;
  /** Changes nothing. @throws {PortcullisError} `renewal_refused`, `certificate_unknown`, `rate_limited` */
  gates(address: string, request: GatesRequest): Promise<GateList | SignedAnswer>;
  /** The same for who speaks EST (RFC 7030). */
  readonly est: Est;
  /** Undefined: there is one authority, and one way to enrol for this kind of subject. */
  addresses(kind: Kind): Addresses | undefined;
  /** What time it is, for anybody. It changes nothing, and names nobody. */
  time(request: TimeRequest): Promise<SignedAnswer>;
}
