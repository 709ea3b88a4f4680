import { PortcullisError } from '@portcullis/contract';
import { isOvertaken } from './failures.ts';
import { emptyState, GateState, withBatches } from './gate-state.ts';
import type { Link } from './link.ts';
import { stateSubject } from './messages.ts';

/** A gate's state as the stream has it: each step of it names the one before, so that two processes of a gate never both write. */
export class SharedState {
  readonly #link: Link;
  readonly #onBroken: ((error: Error) => void) | undefined;
  #now: GateState;
  /** Of the last state in the stream. */
  #sequence = 0;
  #inDoubt = false;

  constructor(link: Link, state: GateState, onBroken: ((error: Error) => void) | undefined) {
    [this.#link, this.#now, this.#onBroken] = [link, state, onBroken];
  }

  get now(): GateState {
    return this.#now;
  }

  /** What an earlier process did not finish was acknowledged to nobody; what its account lost may have been. */
  async take(accounted: number): Promise<void> {
    const { gate, holder } = this.#now;
    const last = await this.#link.lastOf(stateSubject(gate));
    const said = (await stateOf(this.#link, gate)) ?? emptyState(gate, holder);
    this.#sequence = last?.seq ?? 0;
    // What was given up before it came here has a number too, and is never readable.
    const until = Math.max(said.begun, said.looked, accounted);
    const lost = between(Math.max(accounted, said.looked, said.proven), said.committed);
    await this.step({
      ...{ ...said, holder, begun: until, committed: until },
      quarantine: withBatches(said.quarantine, between(said.committed, until), this.#sequence),
      unproven: withBatches(said.unproven, lost, this.#sequence),
      open: said.open.filter(([batch]) => batch <= said.committed),
    });
  }

  /** Where a step ends in doubt, the next one looks first. */
  async step(next: GateState): Promise<void> {
    if (this.#inDoubt) await this.#find();
    const [text, before] = [JSON.stringify(next), this.#sequence];
    this.#inDoubt = true;
    try {
      const asked = { subject: stateSubject(next.gate), text, lastOfSubject: before };
      this.#sequence = (await this.#link.publish(asked)).sequence;
    } catch (error) {
      if (isOvertaken(error)) throw this.#overtaken();
      throw error;
    }
    [this.#now, this.#inDoubt] = [next, false];
  }

  get lastSequence(): number {
    return this.#sequence;
  }

  async #find(): Promise<void> {
    const last = await this.#link.lastOf(stateSubject(this.#now.gate));
    const said = await stateOf(this.#link, this.#now.gate);
    if (said && said.holder !== this.#now.holder) throw this.#overtaken();
    this.#sequence = last?.seq ?? 0;
  }

  #overtaken(): PortcullisError {
    const error = new PortcullisError('store_locked', `another process writes to the sink as "${this.#now.gate}"`);
    this.#onBroken?.(error);
    return error;
  }
}

export const between = (after: number, to: number) =>
  Array.from({ length: Math.max(to - after, 0) }, (_, at) => after + 1 + at);

/** What a gate said last of its readings; undefined: it never did, or it was no gate. */
export async function stateOf(link: Link, gate: string): Promise<GateState | undefined> {
  const last = await link.lastOf(stateSubject(gate));
  const said = last && GateState.safeParse(jsonIn(last.string()));
  return said?.success ? said.data : undefined;
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
