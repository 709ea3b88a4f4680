/** What operators and newcomers of the crash run were answered: held against the journal, which a kill must not have taken it out of, or put it into twice. */
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Schedule } from '../simulation/schedule.ts';
import type { Arena } from '../torture/arena.ts';
import type { Violation } from '../torture/history.ts';

interface Change {
  reason: string;
  revision: number;
}

const restMsMax = 60;
const triedAgainMs = 300;

export class Answered {
  readonly changes: Change[] = [];
  readonly enrolled: { subject: string; fingerprint: string; serial: string }[] = [];
  asked = 0;
  readonly #arena: Arena;
  readonly #label: string;
  #newcomers = 0;

  constructor(arena: Arena, label: string) {
    this.#arena = arena;
    this.#label = label;
  }

  /** An operator who sets an attribute of one subject, each time to a value that was never there. */
  async change(subject: string, seed: number, signal: AbortSignal): Promise<void> {
    const chance = new Schedule(seed);
    while (!signal.aborted) {
      const counter = ++this.asked;
      const reason = `${this.#label}-counter-${counter}`;
      const body = { subjects: [subject], set: { counter }, reason };
      await this.#arena.operator.change('attributes', body, 0).then(
        ({ revision }) => this.changes.push({ reason, revision }),
        () => pause(triedAgainMs),
      );
      await pause(chance.between(0, restMsMax));
    }
  }

  /** Devices that come to the fleet, through the desk, one after the other. */
  async enrol(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const subject = `newcomer-${this.#label}-${++this.#newcomers}`;
      const directory = join(this.#arena.house.home, subject);
      await this.#arena.operator.enrolled(subject, directory, { status: 'active' }).then(
        ({ cert }) => this.#note(subject, new X509Certificate(cert)),
        () => pause(triedAgainMs),
      );
    }
  }

  #note(subject: string, { fingerprint256, serialNumber: serial }: X509Certificate): void {
    this.enrolled.push({ subject, fingerprint: fingerprint256.replaceAll(':', '').toLowerCase(), serial });
  }

  /** The journal was read to its end. */
  violations(): Violation[] {
    const { revisionOf, timeline } = this.#arena;
    const lost = this.changes.filter(({ reason, revision }) => revisionOf.get(reason) !== revision);
    const unknown = this.enrolled.filter(
      ({ fingerprint }) => !timeline.admissibleAt(fingerprint, Number.POSITIVE_INFINITY),
    );
    const serials = new Set(this.enrolled.map(({ serial }) => serial));
    return [
      ...lost.map((detail): Violation => ({ promise: 'P8', what: 'answered, and not that revision', detail })),
      ...unknown.map((detail): Violation => ({ promise: 'P8', what: 'enrolled, and not known', detail })),
      ...(serials.size === this.enrolled.length
        ? []
        : [{ promise: 'P12', what: 'a serial number is there twice', detail: null } as const]),
    ];
  }
}
