import { type AttributeValue, type Kind, PortcullisError } from '@portcullis/contract';
import type { Asking, Issuance } from '../issuance/issuance.ts';
import type { EnrolmentParts } from './open.ts';

interface Asked {
  subject: string;
  kind: Kind;
  /** PKCS#10 in DER. */
  request: Buffer;
  way: Exclude<Asking['way'], 'operator'>;
  est: boolean;
  /** Given: those of a subject that is not there yet. */
  attributes?: Readonly<Record<string, AttributeValue>>;
}

/**
 * A permit for who proved who asks. A no of the fleet's policy is written down, once a minute for each subject: who asks again and again
 * could fill the journal.
 * @throws {PortcullisError} `policy_not_met`, and those of a request
 */
export async function permitted(
  parts: EnrolmentParts,
  { subject, kind, request, way, est, attributes }: Asked,
): ReturnType<Issuance['check']> {
  const values = async () => new Map(Object.entries(attributes ?? (await valuesOf(parts, subject))));
  try {
    return await parts.issuance.check({ subject, kind, request, asking: { way, est, attributes: values } });
  } catch (error) {
    if (error instanceof PortcullisError && error.code === 'policy_not_met') {
      await noteRefusal(parts, { subject, kind, way, est, why: (error.cause as Error).message });
    }
    throw error;
  }
}

async function valuesOf({ attributes }: EnrolmentParts, subject: string): Promise<Record<string, AttributeValue>> {
  const { attributes: live } = await attributes.read(subject);
  return Object.fromEntries(live.map(({ name, value }) => [name, value]));
}

async function noteRefusal(
  { alarms, journal, log }: EnrolmentParts,
  body: { subject: string; kind: Kind; way: string; est: boolean; why: string },
): Promise<void> {
  if (!alarms.take(`policy ${body.subject}`)) return;
  await journal.note({ actor: body.subject, action: 'certificates.refuse', body }, async () => undefined);
  log.warn(body, 'policy_not_met: no certificate was given');
}
