import { type BreachView, ExcursionsView, ShipmentView, SubjectView } from '@portcullis/contract';
import type { FleetClient } from './fleet-client.ts';

type Client = Pick<FleetClient, 'get'>;

export const shipmentOf = (client: Client, id: string): Promise<ShipmentView> =>
  client.get(`/v1/shipments/${encodeURIComponent(id)}`, ShipmentView);

export async function attributesOf(client: Client, id: string): Promise<Record<string, unknown>> {
  const { attributes } = await client.get(`/v1/subjects/${encodeURIComponent(id)}`, SubjectView);
  return Object.fromEntries(attributes.map(({ name, value }) => [name, value]));
}

export async function rulesOf(client: Client, id: string): Promise<ExcursionsView['rules']> {
  const { rules } = await client.get(`/v1/subjects/${encodeURIComponent(id)}/excursions`, ExcursionsView);
  return rules;
}

/** One that later readings disproved was none. */
export const breachesIn = (rules: ExcursionsView['rules']): BreachView[] =>
  rules.flatMap(({ breaches }) => breaches).filter(({ stands }) => stands);

/** As what is drawn and exported counts time; where it goes on there is no end. */
export const spanOf = ({ from, to }: { from: string; to: string | null }) => ({
  from: Date.parse(from),
  ...(to !== null && { until: Date.parse(to) }),
});
