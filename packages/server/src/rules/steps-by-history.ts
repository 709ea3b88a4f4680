import type { AttributeValue } from '@portcullis/contract';
import type { Reader } from '../storage/storage.ts';

/** The steps of a shipment by what its attribute `step` was, and since when. */
export async function stepsByHistory(db: Reader, shipment: string): Promise<{ step: string; at: number }[]> {
  const rows = await db
    .selectFrom('attributeHistory')
    .select(['value', 'changedAt'])
    .where('subject', '=', shipment)
    .where('name', '=', 'step')
    .where('beneath', '=', 0)
    .orderBy('id')
    .execute();
  return rows.flatMap(({ value, changedAt }) => {
    const step = value === null ? null : (JSON.parse(value) as AttributeValue);
    return typeof step === 'string' ? [{ step, at: changedAt }] : [];
  });
}
