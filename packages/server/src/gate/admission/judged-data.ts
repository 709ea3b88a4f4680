import type { Replica } from '../../replica/replica.ts';
import type { Bearer } from '../connections/bearer.ts';
import type { Stream } from '../policy/policy.ts';

type Data = readonly Record<string, unknown>[];

/**
 * By what a request's readings were last found good. Schema and condition see the readings, the subject and the policy's stream,
 * so that they say the same again while none of these has changed (a row of the replica means something within its generation).
 */
export class JudgedData {
  #data: Data | undefined;
  #stream: Stream | undefined;
  #subject = -1;
  #revision = -1;
  #generation = -1;

  isGood(data: Data, stream: Stream, { subject }: Bearer, replica: Replica): boolean {
    return (
      this.#data === data &&
      this.#stream === stream &&
      this.#subject === subject &&
      this.#generation === replica.generation &&
      this.#revision === replica.subjectRevision(subject)
    );
  }

  noteGood(data: Data, stream: Stream, { subject }: Bearer, replica: Replica): void {
    [this.#data, this.#stream, this.#subject] = [data, stream, subject];
    [this.#generation, this.#revision] = [replica.generation, replica.subjectRevision(subject)];
  }
}
