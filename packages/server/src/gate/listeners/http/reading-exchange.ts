import type { Acknowledgement } from '@portcullis/contract';
import type { Refused } from '../../admission/admit.ts';
import type { Intake } from '../intake.ts';
import { type MediaType, mediaTypeOf, parseReadings } from '../readings.ts';
import { Submission, type SubmissionParts, type Submitted } from '../submission.ts';
import { BodyExchange } from './body-exchange.ts';
import type { Asked } from './listener.ts';

export interface ReadingParts extends SubmissionParts {
  intake: Intake;
}

/** `POST /v1/streams/{stream}/readings` */
export class ReadingExchange extends BodyExchange {
  readonly #submission: Submission;
  readonly #intake: Intake;
  #mediaType: MediaType | undefined;

  constructor(parts: ReadingParts, asked: Asked, stream: string) {
    super(parts, asked);
    this.#intake = parts.intake;
    this.#submission = new Submission(parts, { bearer: this.bearer }, stream, (result) => this.#answer(result));
  }

  protected judge(): Refused | undefined {
    return this.#submission.judge();
  }

  protected takes(mediaType: string | undefined): boolean {
    this.#mediaType = mediaTypeOf(mediaType);
    return this.#mediaType !== undefined;
  }

  protected received(body: Buffer): void {
    const parsed = parseReadings(body, this.#mediaType as MediaType, () => this.#intake.makeId());
    if ('reason' in parsed) return this.refuse(parsed);
    this.#submission.submit(parsed, body.length);
  }

  #answer(result: Submitted): void {
    if ('refused' in result) return this.tellRefused(result.refused);
    const body: Acknowledgement = result;
    this.admitted(202, 'application/json', JSON.stringify(body));
  }

  protected noteRefused(refused: Refused): void {
    this.#submission.noteRefused(refused);
  }
}
