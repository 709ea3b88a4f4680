import { sealMediaTypes } from '@portcullis/contract';
import { formOf } from '@portcullis/device/seal';
import type { IPublishPacket } from 'mqtt-packet';
import { judgeCarrier, type Refused } from '../../admission/admit.ts';
import type { Connection } from '../../connections/connections.ts';
import { noteCarrierRefused } from '../sealed/carrier-refused.ts';
import type { Seals } from '../sealed/sealed.ts';
import type { SubmissionParts } from '../submission.ts';

export interface CarryingParts extends SubmissionParts {
  seals: Seals;
}

/** What is told to those who sealed, as one message to who brought it. */
export interface Acknowledgements {
  payload: Buffer;
  contentType: string;
  /** As it came with what was brought. */
  correlationData: Buffer | undefined;
}

/** What others sealed, brought over MQTT 5: the content type says in which form. `done` is called once. */
export function carry(
  parts: CarryingParts,
  carrier: Connection,
  stream: string,
  { payload, properties }: IPublishPacket,
  done: (answer: Acknowledgements | { refused: Refused }) => void,
): void {
  const { ground, seals } = parts;
  const form = formOf(properties?.contentType);
  const refused = judgeCarrier(carrier, ground) ?? (form ? undefined : notSealed);
  if (refused || !form) {
    noteCarrierRefused(parts, carrier, stream, refused ?? notSealed);
    return done({ refused: refused ?? notSealed });
  }
  seals.carry(payload as Buffer, form, stream, carrier, (answer) => {
    if ('refused' in answer) return done(answer);
    const correlationData = properties?.correlationData;
    done({ payload: answer.acknowledgements, contentType: sealMediaTypes[form], correlationData });
  });
}

const notSealed: Refused = {
  reason: 'media_type_unsupported',
  detail: `the content type of MQTT 5 must be one of [${Object.values(sealMediaTypes).join(', ')}]`,
};
