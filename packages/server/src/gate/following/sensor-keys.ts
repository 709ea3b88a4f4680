import { KeyContext, PortcullisError } from '@portcullis/contract';
import { type Link, parseAnswer, problemOf } from '@portcullis/device';
import { contextFrom, type SecurityContext } from '../../oscore/oscore.ts';

interface Parts {
  authority: string;
  link(): Link;
}

/** A sensor waits for its answer meanwhile, and asks again by itself. */
const timeoutMs = 5_000;
const bytesOf = (hex: string) => Buffer.from(hex, 'hex');

/** The keys of sensors, as the authority derives them for this gate: none of them is kept here. */
export class SensorKeys {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * What one key is under one ID context; undefined: the fleet has no such key that is valid.
   * @throws {PortcullisError} `server_unreachable` and what else keeps a gate from asking
   */
  async contextOf(keyId: Buffer, idContext: Buffer): Promise<SecurityContext | undefined> {
    const { authority, link } = this.#parts;
    const query = `keyId=${keyId.toString('hex')}&idContext=${idContext.toString('hex')}`;
    const answer = await link().request({ url: `${authority}/v1/key-contexts?${query}`, method: 'GET', timeoutMs });
    if (answer.status !== 200) {
      const problem = problemOf(answer);
      if (problem.code === 'key_credential_unknown') return undefined;
      throw problem;
    }
    const parsed = KeyContext.safeParse(parseAnswer(answer));
    if (!parsed.success || parsed.data.recipientId !== keyId.toString('hex')) {
      throw new PortcullisError('answer_malformed', 'the keys of a sensor do not fit their schema');
    }
    const { senderId, senderKey, recipientKey, commonIv } = parsed.data;
    return contextFrom({
      ...{ senderId: bytesOf(senderId), recipientId: keyId, idContext },
      ...{ senderKey: bytesOf(senderKey), recipientKey: bytesOf(recipientKey), commonIv: bytesOf(commonIv) },
    });
  }
}
