import { counted, type LeaseRequest } from '@portcullis/contract';
import { Ringing, type RingingParts } from './ringing.ts';

type Told = NonNullable<LeaseRequest['counters']['missing']>;

interface Parts extends RingingParts {
  /** What has been missing for longer rings. */
  missingMs: number;
}

/** Whose own count has gaps, as the gates tell it: what was withheld, lost, or dropped on its way. */
export class MissingReadings {
  readonly ringing: Ringing;
  readonly #parts: Parts;

  private constructor(parts: Parts, ringing: Ringing) {
    [this.#parts, this.ringing] = [parts, ringing];
  }

  static async read(parts: Parts): Promise<MissingReadings> {
    return new MissingReadings(parts, await Ringing.read(parts, 'missing'));
  }

  note(gate: string, told: Told): void {
    const { system, missingMs } = this.#parts;
    const at = system.now();
    for (const { subject, readings, since } of told) {
      if (at - Date.parse(since) < missingMs) continue;
      this.ringing.told(subject, at, () => ({
        says: `of "${subject}" ${counted(readings, 'reading')} that it counted never came to ${gate}, since ${since}`,
        detail: { readings, since, gate },
      }));
    }
  }
}
