import { type RevocationReason, reasonNumbers } from '@portcullis/contract';

/** Why a certificate is not good, as a number of RFC 5280 §5.3.1; null: it is. */
export function toldReason({ standing, reasonCode }: { standing: string; reasonCode: string | null }): number | null {
  if (standing === 'valid') return null;
  if (standing === 'suspended') return reasonNumbers.certificateHold;
  if (standing === 'superseded') return reasonNumbers.superseded;
  return reasonNumbers[(reasonCode ?? 'unspecified') as RevocationReason] ?? reasonNumbers.unspecified;
}
