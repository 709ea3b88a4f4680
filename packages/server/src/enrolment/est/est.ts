/**
 * Enrolment over Secure Transport (RFC 7030, RFC 8951): what comes by it becomes the same `enrol` and `renew` that come by our own routes.
 * - A desk ends TLS, and is trusted for what only TLS says: the secret of a token, and that a certificate's key was used. So nothing but
 *   devices and gateways whose tokens say so may use it, and no desk can put a key of its own in the place of a device's.
 * - The same request gets the same certificate.
 * Refuses to know: HTTP, and how long somebody waits.
 */
import {
  type ApprovalRequest,
  type EstAnswer,
  type EstBodies,
  type EstRequest,
  type FactoryRequest,
  type FactoryView,
  type PageQuery,
  type PendingView,
  PortcullisError,
} from '@portcullis/contract';
import type { z } from 'zod';
import type { By } from '../../journal/journal.ts';
import { fromPem } from '../../pki/pki.ts';
import type { EnrolmentParts } from '../open.ts';
import { renewByCertificate } from './by-certificate.ts';
import { enrolByFactory } from './by-factory.ts';
import { enrolByToken } from './by-token.ts';
import { trusted } from './cacerts.ts';
import { addFactory, listFactories, removeFactory } from './factories.ts';
import { approve, listPending } from './pending.ts';
import { answerOf, csrAttributesAnswer, requestIn } from './wire.ts';

export interface Est {
  /**
   * `address`: who asks, as the desk says.
   * @throws {PortcullisError} `token_refused`, `renewal_refused`, `factory_refused`, `subject_exists`, `rate_limited`, and those of a request
   */
  ask(address: string, asked: EstRequest): Promise<EstAnswer>;
  bodies(): EstBodies;
  /** @throws {PortcullisError} `request_malformed`, `factory_exists` */
  addFactory(by: By, request: FactoryRequest): Promise<FactoryView>;
  listFactories(): Promise<FactoryView[]>;
  /** @throws {PortcullisError} `factory_unknown` */
  removeFactory(by: By, name: string): Promise<void>;
  listPending(query: z.infer<typeof PageQuery>): Promise<{ items: PendingView[]; next: string | null }>;
  /** @throws {PortcullisError} `nothing_pending` */
  approve(by: By, request: ApprovalRequest): Promise<{ revision: number; changed: number }>;
}

type Bounded = <T>(address: string, work: () => Promise<T>) => Promise<T>;

export function openEst(parts: EnrolmentParts, bounded: Bounded): Est {
  return {
    ask: (address, asked) => bounded(address, () => ask(parts, asked)),
    bodies: () => ({
      cacerts: answerOf(trusted(parts.issuance.bundle, parts.system.now())),
      csrattrs: csrAttributesAnswer(parts.issuance.keysOf('device')),
    }),
    addFactory: (by, request) => addFactory(parts, by, request),
    listFactories: () => listFactories(parts),
    removeFactory: (by, name) => removeFactory(parts, by, name),
    listPending: (query) => listPending(parts, query),
    approve: (by, request) => approve(parts, by, request),
  };
}

async function ask(parts: EnrolmentParts, { operation, body, basic, chain }: EstRequest): Promise<EstAnswer> {
  const request = requestIn(Buffer.from(body, 'base64'));
  if (operation === 'enrol' && basic) return issued(await enrolByToken(parts, basic, request));
  if (!chain) throw new PortcullisError('not_authenticated', 'there is neither a token nor a client certificate');
  if (operation === 'enrol') return issued(await enrolByFactory(parts, chain, request));
  const renewed = await renewByCertificate(parts, chain, request);
  return 'certificate' in renewed ? issued(renewed.certificate) : renewed;
}

function issued(pem: string): EstAnswer {
  return { state: 'issued', body: answerOf(fromPem('CERTIFICATE', pem)) };
}
