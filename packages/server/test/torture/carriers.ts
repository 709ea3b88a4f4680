/**
 * Checkpoints that record arrivals of shipments at random, in order or not, two at once, and again when an answer was lost; and what must be so
 * of it in the end, by an acceptor of its own.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { ArrivalAnswer, type ArrivalView, ShipmentView } from '@portcullis/contract';
import { exchange, type Link, parseAnswer, problemOf } from '@portcullis/device';
import { z } from 'zod';
import { Schedule } from '../simulation/schedule.ts';
import type { Arena } from './arena.ts';
import type { Violation } from './history.ts';

const limitMs = 120_000;
const restMsMax = 100;

/** The lane: each step by a role of its own; a load may be brought back from its third step to the second. */
export const roles = ['factory', 'trucker', 'ship', 'clinic'] as const;
const steps = roles.map((role, index) => ({ step: `step-${index + 1}`, role }));
export const lane = `journey: torture-lane
steps:
${steps.map(({ step, role }, index) => `  - { name: ${step}, by: { role: ${role} }${index === steps.length - 1 ? ', final: true' : ''} }`).join('\n')}
detours:
  - { from: step-3, back: step-2 }
`;

/** What one checkpoint was answered. */
interface Told {
  shipment: string;
  arrival: string;
  role: string;
  status: number;
  step: string | undefined;
}

export class Carriers {
  readonly told: Told[] = [];
  readonly shipments: string[] = [];
  readonly #arena: Arena;
  readonly #label: string;

  constructor(arena: Arena, label: string) {
    this.#arena = arena;
    this.#label = label;
  }

  async run(seed: number, signal: AbortSignal): Promise<void> {
    const chance = new Schedule(seed);
    while (!signal.aborted) {
      await this.#journey(chance, signal);
      await pause(chance.between(0, restMsMax), undefined, { signal }).catch(() => undefined);
    }
  }

  /** One shipment from its making to its end, or to the end of the run. */
  async #journey(chance: Schedule, signal: AbortSignal): Promise<void> {
    const shipment = `box-${this.#label}-${this.shipments.length}`;
    if (!(await this.#make(shipment))) return;
    this.shipments.push(shipment);
    for (let tries = 0, role = 0; role < roles.length && tries < 40 && !signal.aborted; tries++) {
      await pause(chance.between(0, 3 * restMsMax));
      const wrong = chance.chance() < 0.3;
      const by = wrong ? Math.floor(chance.between(0, roles.length)) : role;
      const arrival = `${shipment}:${tries}`;
      const both = chance.chance() < 0.2;
      const answers = await Promise.all([
        this.#record(shipment, arrival, by),
        ...(both ? [this.#record(shipment, `${arrival}-too`, by)] : []),
      ]);
      const done = answers.find(({ status }) => status === 201);
      if (done?.step) role = steps.findIndex(({ step }) => step === done.step) + 1;
      // Whoever was not answered asks again, with the same words.
      for (const { status, arrival: lost } of answers) {
        if (status !== 0) continue;
        const again = await this.#record(shipment, lost, by);
        if (again.status === 201 && again.step) role = steps.findIndex(({ step }) => step === again.step) + 1;
      }
    }
  }

  async #make(shipment: string): Promise<boolean> {
    const { link, credential } = this.#arena.operator;
    const body = { shipment, journey: 'torture-lane' };
    try {
      await exchange(link, `${credential.authority}/v1/shipments`, body, z.unknown(), limitMs);
      return true;
    } catch {
      await pause(restMsMax);
      return false;
    }
  }

  async #record(shipment: string, arrival: string, by: number): Promise<Told> {
    const role = roles[by] as string;
    const told: Told = { shipment, arrival, role, status: 0, step: undefined };
    this.told.push(told);
    const link = this.#arena.checkpoints[by] as Link;
    const url = `${this.#arena.operator.credential.authority}/v1/shipments/${shipment}/arrivals`;
    try {
      const body = JSON.stringify({ arrival });
      const answer = await link.request({ url, method: 'POST', body, timeoutMs: limitMs });
      told.status = answer.status;
      if (answer.status === 201) told.step = ArrivalAnswer.parse(parseAnswer(answer)).step;
      if (answer.status >= 500) told.status = 0;
    } catch {
      await pause(restMsMax);
    }
    return told;
  }

  /** P14, and P8 of arrivals: what was answered is there, what was refused does not count, and the lane allows what counts. */
  async violations(): Promise<Violation[]> {
    const told = Map.groupBy(this.told, ({ shipment }) => shipment);
    const found: Violation[] = [];
    for (const shipment of this.shipments) {
      const view = await this.#read(shipment);
      found.push(...wrongIn(view, told.get(shipment) ?? []));
    }
    return found;
  }

  async #read(shipment: string): Promise<ShipmentView> {
    const { link, credential } = this.#arena.operator;
    const url = `${credential.authority}/v1/shipments/${shipment}`;
    const answer = await link.request({ url, method: 'GET', timeoutMs: limitMs });
    if (answer.status !== 200) throw problemOf(answer);
    return ShipmentView.parse(parseAnswer(answer));
  }
}

export function wrongIn(
  view: Pick<ShipmentView, 'shipment' | 'step' | 'state' | 'arrivals'>,
  told: Told[],
): Violation[] {
  const counted = view.arrivals.filter(({ outcome }) => outcome === 'recorded');
  const wrong = (what: string, detail: unknown): Violation => ({ promise: 'P14', what, detail });
  const found: Violation[] = [];
  const taken = counted.map(({ step }) => step ?? '');
  if (!isAllowed(taken))
    found.push(wrong('a history that the journey does not allow', { shipment: view.shipment, taken }));
  if ((taken.at(-1) ?? null) !== view.step)
    found.push(wrong('its step is not that of its last arrival', { ...view, taken }));
  if ((taken.at(-1) === steps.at(-1)?.step) !== (view.state === 'delivered'))
    found.push(wrong('delivered, or not, against its last arrival', { ...view, taken }));
  for (const one of told) {
    const rows = counted.filter(({ arrival }) => arrival === one.arrival);
    if (rows.length > 1) found.push(wrong('an arrival counts twice', one));
    if (one.status === 201 && !isThat(rows[0], one)) found.push(wrong('recorded, and not there as it was', one));
    if (one.status === 409 && rows.length > 0) found.push(wrong('refused, and it counts', one));
  }
  return found;
}

const isThat = (row: ArrivalView | undefined, { step }: Told) => row !== undefined && row.step === step;

/** Written anew, and not by the product's own words. */
function isAllowed(taken: readonly string[]): boolean {
  const at = (name: string) => Number(name.slice('step-'.length));
  return taken.every((name, index) => {
    const before = index === 0 ? 0 : at(taken[index - 1] as string);
    return at(name) === before + 1 || (before === 3 && at(name) === 2);
  });
}
