import { type Acknowledgement, bundleDueHeader } from '@portcullis/contract';
import type { Refused } from '../../admission/admit.ts';
import type { Shield } from '../../admission/shield.ts';
import type { Intake } from '../intake.ts';
import { type MediaType, mediaTypeOf, parseReadings } from '../readings.ts';
import { Submission, type SubmissionParts, type Submitted } from '../submission.ts';
import { BodyExchange } from './body-exchange.ts';
import type { AskedHere } from './listener.ts';

export interface ReadingParts extends SubmissionParts {
  shield: Pick<Shield, 'refusalOf'>;
  intake: Intake;
  bundleDue(): number | undefined;
}

/** `POST /v1/streams/{stream}/readings` */
export class ReadingExchange extends BodyExchange {
  protected readonly way: string;
  readonly #submission: Submission;
  readonly #intake: Intake;
  readonly #bundleDue: ReadingParts['bundleDue'];
  #mediaType: MediaType | undefined;

  constructor(parts: ReadingParts, asked: AskedHere, stream: string) {
    super(parts, asked);
    this.way = stream;
    [this.#intake, this.#bundleDue] = [parts.intake, parts.bundleDue];
    this.#submission = new Submission(parts, { bearer: this.bearer }, stream, (result) => this.#answer(result));
    this.#submission.traceId = this.traceId;
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
    const due = this.#bundleDue();
    const further = due === undefined ? undefined : { [bundleDueHeader]: String(due) };
    this.admitted(202, 'application/json', JSON.stringify(body), further);
  }

  protected noteRefused(refused: Refused): void {
    this.#submission.noteRefused(refused);
  }
}
