import { PortcullisError } from '@portcullis/contract';
import type { Attributes } from '../attributes/attributes.ts';
import type { Journal } from '../journal/journal.ts';
import type { Seal } from '../keys/keys.ts';
import type { Revocation } from '../revocation/revocation.ts';
import type { Store } from '../storage/storage.ts';
import type { System } from '../telemetry/telemetry.ts';
import { contextOf } from './context-of.ts';
import { create, prepare } from './create.ts';
import type { KeyCredentials } from './promises.ts';

export interface KeyCredentialParts {
  store: Store;
  journal: Journal;
  attributes: Pick<Attributes, 'ensure'>;
  revocation: Pick<Revocation, 'find' | 'isHeld' | 'requireNotCut' | 'supersede'>;
  seal: Seal;
  system: System;
}

const refusals: readonly string[] = ['key_credential_unknown', 'id_context_not_allowed'];

export function openKeyCredentials(parts: KeyCredentialParts): KeyCredentials {
  const asked = { given: 0, refused: 0 };
  return {
    prepare: () => prepare(parts),
    create: (by, request) => create(parts, by, request),
    async contextOf(gate, query) {
      try {
        const context = await contextOf(parts, gate, query);
        asked.given++;
        return context;
      } catch (error) {
        if (error instanceof PortcullisError && refusals.includes(error.code)) asked.refused++;
        throw error;
      }
    },
    outcomes: () => [
      ['given', asked.given],
      ['refused', asked.refused],
    ],
  };
}
