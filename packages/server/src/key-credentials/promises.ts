import type { KeyContext, KeyContextQuery, KeyCredentialCreated, KeyCredentialRequest } from '@portcullis/contract';
import type { By } from '../journal/journal.ts';

export interface KeyCredentials {
  /** Makes what secrets will be sealed with, while none is: a machine that stands by later gets it with the other keys. */
  prepare(): Promise<void>;
  /**
   * One transaction, one revision. @throws {PortcullisError} `key_credential_exists`, `kind_conflict`, `after_revocation_required`,
   * `standing_held`, `subject_retired`, `key_unusable`
   */
  create(by: By, request: KeyCredentialRequest): Promise<KeyCredentialCreated>;
  /**
   * Changes nothing. One that is unknown and one that is not valid are told by the same words; an ID context that another gate made is not for this
   * one. @throws {PortcullisError} `key_credential_unknown`, `id_context_not_allowed`, `key_unusable`
   */
  contextOf(gate: string, asked: KeyContextQuery): Promise<KeyContext>;
  /** How many contexts were asked for, by what became of it. */
  outcomes(): [outcome: 'given' | 'refused', count: number][];
}
