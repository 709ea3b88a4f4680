import { type SealForm, sealMediaTypes } from '@portcullis/contract';
import { formOf } from '@portcullis/device/seal';
import { judgeCarrier, type Refused } from '../../admission/admit.ts';
import { noteCarrierRefused } from '../sealed/carrier-refused.ts';
import type { CarriedAnswer, Seals } from '../sealed/sealed.ts';
import { BodyExchange } from './body-exchange.ts';
import type { AskedHere } from './listener.ts';
import type { ReadingParts } from './reading-exchange.ts';

export interface SealedParts extends ReadingParts {
  seals: Seals;
}

/** `POST /v1/streams/{stream}/sealed`: what others sealed, brought by whoever may carry; the answer is for those who sealed. */
export class SealedExchange extends BodyExchange {
  readonly #parts: SealedParts;
  readonly #stream: string;
  #form: SealForm | undefined;
  /** No name of a stream. */
  protected readonly way = '/carry';
  protected override readonly accept = Object.values(sealMediaTypes).join(', ');

  constructor(parts: SealedParts, asked: AskedHere, stream: string) {
    super(parts, asked);
    [this.#parts, this.#stream] = [parts, stream];
  }

  protected judge(): Refused | undefined {
    return judgeCarrier(this.bearer, this.#parts.ground);
  }

  protected takes(mediaType: string | undefined): boolean {
    this.#form = formOf(mediaType);
    return this.#form !== undefined;
  }

  protected received(body: Buffer): void {
    const form = this.#form as SealForm;
    this.#parts.seals.carry(body, form, this.#stream, this.bearer, (answer) => this.#answer(answer, form));
  }

  #answer(answer: CarriedAnswer, form: SealForm): void {
    if ('refused' in answer) this.tellRefused(answer.refused);
    else this.admitted(200, sealMediaTypes[form], answer.acknowledgements);
  }

  protected noteRefused(refused: Refused): void {
    noteCarrierRefused(this.#parts, this.bearer, this.#stream, refused);
  }
}
