import { type PortcullisError, Sightings, type SubjectView, sightingsPerRequestMax } from '@portcullis/contract';
import { askGates, eachWorker, type Gate, gatesOf } from './ask-gates.ts';
import type { FleetClient } from './fleet-client.ts';

export interface Seen extends SubjectView {
  /** When which gate last judged what it sent; null: none did since `seenSince`. */
  lastSeen: { at: string; gate: string; verdict: 'admitted' | 'refused' } | null;
  /** From when on the gates that answered remember; null: none answered. */
  seenSince: string | null;
}

/** A request's target stays well below what a gate takes of headers. */
const namesLengthMax = 7_000;
/** A gate that takes longer is left out. */
const gateMs = 5_000;

/** Asks the gates when they heard each subject last. A gate that does not answer is named once, and the list goes on without it. */
export class LastSeen {
  readonly #client: FleetClient;
  readonly #tell: (words: string) => void;
  #gates: Gate[] | undefined;

  constructor(client: FleetClient, tell: (words: string) => void) {
    this.#client = client;
    this.#tell = tell;
  }

  async *seen(subjects: AsyncIterable<SubjectView>): AsyncGenerator<Seen> {
    let some: SubjectView[] = [];
    let length = 0;
    for await (const one of subjects) {
      if (some.length === sightingsPerRequestMax || length + one.subject.length >= namesLengthMax) {
        yield* await this.#ask(some);
        [some, length] = [[], 0];
      }
      some.push(one);
      length += one.subject.length + 1;
    }
    if (some.length > 0) yield* await this.#ask(some);
  }

  async #ask(some: SubjectView[]): Promise<Seen[]> {
    this.#gates ??= await this.#mayBeAsked();
    const path = `/v1/sightings?subjects=${some.map(({ subject }) => subject).join(',')}`;
    const asked = await askGates(this.#gates, ({ url }) => this.#client.getFromGate(url, path, Sightings, gateMs));
    for (const { gate, error } of asked.failures) this.#leaveOut(gate, error);
    const answers = asked.answers.map(({ value }) => value);
    const since = answers.map((answer) => answer.since).toSorted();
    const last = lastOf(answers);
    return some.map((subject) => ({
      ...subject,
      lastSeen: last.get(subject.subject) ?? null,
      seenSince: since.at(-1) ?? null,
    }));
  }

  async #mayBeAsked(): Promise<Gate[]> {
    const gates = gatesOf(this.#client).then((all) => all.flatMap(eachWorker));
    return gates.catch((error: PortcullisError) => {
      this.#tell(`when subjects were seen is not known: ${error.message}`);
      return [];
    });
  }

  #leaveOut(gate: string, error: PortcullisError): void {
    this.#tell(`${gate} can not say whom it has seen: ${error.message}`);
    this.#gates = this.#gates?.filter((one) => one.gate !== gate);
  }
}

function lastOf(answers: Sightings[]): Map<string, NonNullable<Seen['lastSeen']>> {
  const last = new Map<string, NonNullable<Seen['lastSeen']>>();
  for (const { gate, items } of answers) {
    for (const { subject, at, verdict } of items) {
      if (at > (last.get(subject)?.at ?? '')) last.set(subject, { at, gate, verdict });
    }
  }
  return last;
}
