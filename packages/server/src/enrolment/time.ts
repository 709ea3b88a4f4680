import { type SignedAnswer, TimeTold } from '@portcullis/contract';
import { timestamp } from '../telemetry/telemetry.ts';
import type { EnrolmentParts } from './open.ts';
import { sha256Hex } from './proof.ts';

/** The time as it is when the key that signs it is at hand: the first answer of a day makes that key. */
export function tellTime({ answers, system }: EnrolmentParts, challenge: string): Promise<SignedAnswer> {
  const asked = { purpose: 'time', challenge, about: sha256Hex(Buffer.alloc(0)) } as const;
  return answers.signed(asked, () => TimeTold.parse({ at: timestamp(system.now()) }));
}
