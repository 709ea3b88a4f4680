import type { PortcullisError } from '@portcullis/contract';
import { Link } from '../link/link.ts';
import type { Credential } from './credential.ts';

const gateMs = 3_000;

export type Proof = { gate: string } | { why: string };

/**
 * Shows the pair to a gate by a handshake. TLS 1.3 refuses a client only after its own handshake (FIELD-NOTES B4), so that an answer,
 * whatever it says, is the proof. A gate that is down disproves nothing: the pair is kept either way.
 */
export async function prove(credential: Credential): Promise<Proof> {
  const { roots, fleet, gates } = credential;
  const link = new Link({ roots, fleet, role: 'gate', credential });
  let why = 'no gate is known';
  try {
    for (const gate of gates) {
      try {
        await link.request({ url: `${gate}/`, timeoutMs: gateMs });
        return { gate };
      } catch (error) {
        why = (error as PortcullisError).message;
      }
    }
    return { why };
  } finally {
    link.close();
  }
}
