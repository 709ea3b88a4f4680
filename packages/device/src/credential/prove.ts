import { Link } from '../link/link.ts';
import { type Proof, provenBy } from '../link/proof.ts';
import type { Credential } from './credential.ts';
import type { KnownTime } from './known-time.ts';

export type { Proof } from '../link/proof.ts';

const gateMs = 3_000;

/** Shows the pair to a gate by a handshake. The pair is kept either way. */
export async function prove(credential: Credential, time?: KnownTime): Promise<Proof> {
  const { roots, fleet, gates } = credential;
  const link = new Link({ roots, fleet, role: 'gate', credential, moment: time?.moment });
  try {
    return await proveBy(link, gates);
  } finally {
    link.close();
  }
}

/**
 * TLS 1.3 refuses a client only after its own handshake (FIELD-NOTES B4), so that an answer, whatever it says, is the proof.
 */
export function proveBy(link: Link, gates: readonly string[]): Promise<Proof> {
  return provenBy(gates, async (gate) => {
    await link.request({ url: `${gate}/`, timeoutMs: gateMs });
  });
}
