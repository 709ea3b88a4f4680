import type { TestContext } from 'node:test';
import type { AttributeValue, Journey } from '@portcullis/contract';
import { openAlerts } from '../src/alerts/alerts.ts';
import { type JourneyParts, type Journeys, openJourneys, type Recorded } from '../src/journeys/journeys.ts';
import { openCodes } from '../src/publication/codes.ts';
import { openRecords, putSubject, type Records, subjectId } from './records.ts';

const day = 86_400_000;
type Step = Pick<Journey['steps'][number], 'name'> & Partial<Omit<Journey['steps'][number], 'by' | 'require'>>;

/** A step, by a role, that demands these attributes of the shipment. */
export function step(
  name: string,
  role: string,
  more: Partial<Step> & { require?: Record<string, AttributeValue> } = {},
): Journey['steps'][number] {
  return { name, by: { role }, require: {}, final: false, ...more } as Journey['steps'][number];
}

export const lane: Journey = {
  journey: 'vaccine-lane',
  steps: [
    step('factory', 'factory'),
    step('pickup', 'trucker', { withinMs: day }),
    step('export-customs', 'customs'),
    step('loaded', 'ship'),
    step('delivered', 'clinic', { require: { cold_chain: 'intact' }, final: true }),
  ],
  detours: [{ from: 'pickup', back: 'factory' }],
  offline: ['export-customs'],
  offlineMaxMs: 7 * day,
};

/** Records with journeys, and a checkpoint for each role. */
export interface Shipping extends Records {
  journeys: Journeys;
  source: { journeys: Journey[] };
  evidence: { lacking: string | undefined };
  reopen(): Promise<void>;
}

export const operator = { actor: 'operator-1', person: true };
export const checkpoints = {
  factory: 'factory',
  trucker: 'trucker',
  customs: 'customs',
  ship: 'ship',
  clinic: 'clinic',
};

export async function openShipping(context: TestContext, journeys: Journey[] = [lane]): Promise<Shipping> {
  return shippingOver(context, await openRecords(context), journeys);
}

/** The same over records that are there. */
export async function shippingOver(
  context: TestContext,
  records: Records,
  journeys: Journey[] = [lane],
): Promise<Shipping> {
  const { store, journal, system } = records;
  const source = { journeys };
  const evidence: Shipping['evidence'] = { lacking: undefined };
  const parts: JourneyParts = {
    ...records,
    alerts: openAlerts({ store, journal, system }),
    codes: openCodes({ journal, system }),
    labels: { make: async () => ({ record: async () => undefined }) },
    evidence: async () => (evidence.lacking === undefined ? undefined : { why: evidence.lacking }),
    source: { mark: () => JSON.stringify(source.journeys), load: () => source.journeys },
    log: { error: () => undefined },
  };
  const shipping = { ...records, journeys: await openJourneys(parts), source, evidence } as Shipping;
  shipping.reopen = async () => {
    await shipping.journeys[Symbol.asyncDispose]();
    shipping.journeys = await openJourneys(parts);
  };
  context.after(() => shipping.journeys[Symbol.asyncDispose]());
  for (const [subject, role] of Object.entries(checkpoints)) await putSubject(records, subject, 'checkpoint', { role });
  return shipping;
}

export async function ship({ journeys }: Shipping, id: string, journey = lane.journey): Promise<void> {
  await journeys.create(operator, { shipment: subjectId(id), journey });
}

let given = 0;
/** An arrival by this checkpoint, of an id of its own unless one is given. */
export function arrive(
  { journeys }: Shipping,
  checkpoint: string,
  shipment: string,
  more: { arrival?: string; step?: string; at?: number; place?: string; note?: string } = {},
): Promise<Recorded> {
  const { at, ...rest } = more;
  const time = at === undefined ? {} : { at: new Date(at).toISOString() };
  return journeys.record({ actor: checkpoint }, { arrival: `a-${++given}`, shipment, ...rest, ...time });
}

/** What came of it: the step, or why not. */
export const outcomeOf = (recorded: Recorded) =>
  recorded.outcome === 'refused' ? recorded.refusal.reason : `${recorded.outcome} ${recorded.step}`;

export async function kept({ store }: Records, kind: string): Promise<string[]> {
  const rows = await store.read((db) => db.selectFrom('alerts').select(['kind', 'key', 'settledAt']).execute());
  return rows.filter((row) => row.kind === kind).map((row) => `${row.key}${row.settledAt === null ? '' : ' settled'}`);
}
