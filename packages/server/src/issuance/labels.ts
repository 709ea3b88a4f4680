import { createPrivateKey } from 'node:crypto';
import { type Kind, labelStatementType } from '@portcullis/contract';
import type { ChangeTransaction } from '../journal/journal.ts';
import { fromPem, joseAlgorithmOf, joseSignature } from '../pki/pki.ts';
import type { Store } from '../storage/storage.ts';
import type { System } from '../telemetry/telemetry.ts';
import type { SignedCertificate } from './issue.ts';
import type { Issuance } from './promises.ts';

/** A certificate whose key is gone, and the one thing that it signed. */
export interface Label {
  signed: SignedCertificate;
  /** A JWS in compact form, with the chain in its header (RFC 7515 §4.1.6). */
  statement: string;
  /** Within the revision that makes the shipment. No gate is told: nobody can authenticate with it. */
  record(change: ChangeTransaction): Promise<void>;
}

export interface Labels {
  /** Makes the pair, has it certified, signs the statement and forgets the key. What comes out is nobody's until it is recorded. */
  make(shipment: string, says: Readonly<Record<string, string>>): Promise<Label>;
  /** What was signed for this shipment; undefined: it has no label certificate. */
  statementOf(shipment: string): Promise<string | undefined>;
}

interface Parts {
  issuance: Pick<Issuance, 'check' | 'issue' | 'record'>;
  store: Pick<Store, 'read'>;
  fleet: string;
  makeKey(): { key: string; request: Uint8Array };
  system: Pick<System, 'now'>;
}

const kind: Kind = 'shipment';

export function openLabels({ issuance, store, fleet, makeKey, system }: Parts): Labels {
  return {
    async make(shipment, says) {
      const { key, request } = makeKey();
      const signed = await issuance.issue(await issuance.check({ subject: shipment, kind, request, label: true }));
      const payload = { iss: fleet, sub: shipment, iat: Math.floor(system.now() / 1000), ...says };
      const statement = signedBy(key, signed, payload);
      return {
        ...{ signed, statement },
        async record(change) {
          await issuance.record(change, signed);
          const { subject, fingerprint } = signed;
          await change.db.insertInto('labels').values({ subject, fingerprint, statement }).execute();
        },
      };
    },
    async statementOf(shipment) {
      const row = await store.read((db) =>
        db.selectFrom('labels').select('statement').where('subject', '=', shipment).executeTakeFirst(),
      );
      return row?.statement;
    },
  };
}

function signedBy(keyPem: string, { der, issuerPem }: SignedCertificate, payload: object): string {
  const x5c = [der, ...fromPem('CERTIFICATE', issuerPem)].map((one) => one.toString('base64'));
  const key = createPrivateKey(keyPem);
  const parts = [{ alg: joseAlgorithmOf(key), typ: labelStatementType, x5c }, payload];
  const input = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${input}.${joseSignature(key, input)}`;
}
