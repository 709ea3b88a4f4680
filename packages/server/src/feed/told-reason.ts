import type { RevocationReason } from '@portcullis/contract';

/** RFC 5280 §5.3.1. */
const numbers: Readonly<Record<RevocationReason, number>> = {
  unspecified: 0,
  keyCompromise: 1,
  cACompromise: 2,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  privilegeWithdrawn: 9,
  aACompromise: 10,
};
const certificateHold = 6;

/** Why a certificate is not good, as a number of RFC 5280 §5.3.1; null: it is. */
export function toldReason({ standing, reasonCode }: { standing: string; reasonCode: string | null }): number | null {
  if (standing === 'valid') return null;
  if (standing === 'suspended') return certificateHold;
  if (standing === 'superseded') return numbers.superseded;
  return numbers[(reasonCode ?? 'unspecified') as RevocationReason] ?? numbers.unspecified;
}
