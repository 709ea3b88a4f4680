import { AlertKind, alertKinds } from '@portcullis/contract';
import type { Writer } from '../storage/storage.ts';

const keptMs = 90 * 86_400_000;
const lookedAtMax = 200;
const moments = AlertKind.options.filter((kind) => !alertKinds[kind].lasts);

/** Of the oldest alerts those that are over and told go, with their messages. Resolves to where to go on; undefined: that was all. */
export async function pruneSome(db: Writer, after: number, now: number): Promise<number | undefined> {
  const looked = await db
    .selectFrom('alerts')
    .select('number')
    .where('number', '>', after)
    .where('at', '<', now - keptMs)
    .orderBy('number')
    .limit(lookedAtMax)
    .execute();
  const last = looked.at(-1)?.number;
  if (last === undefined) return undefined;
  const rows = await db
    .selectFrom('alerts')
    .select('number')
    .where('number', '>', after)
    .where('number', '<=', last)
    .where('at', '<', now - keptMs)
    .where('toRoute', '=', 0)
    .where(({ or, eb }) => or([eb('settledAt', 'is not', null), eb('kind', 'in', moments)]))
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('alertsOfMessages')
            .innerJoin('alertMessages', 'alertMessages.number', 'alertsOfMessages.message')
            .select('message')
            .whereRef('alert', '=', 'alerts.number')
            .where('dueAt', 'is not', null),
        ),
      ),
    )
    .execute();
  await remove(
    db,
    rows.map(({ number }) => number),
  );
  return looked.length === lookedAtMax ? last : undefined;
}

/** A message goes with the last of its alerts. */
async function remove(db: Writer, alerts: readonly number[]): Promise<void> {
  const told = await db
    .selectFrom('alertsOfMessages')
    .select('message')
    .distinct()
    .where('alert', 'in', alerts)
    .execute();
  await db.deleteFrom('alerts').where('number', 'in', alerts).execute();
  await db
    .deleteFrom('alertMessages')
    .where(
      'number',
      'in',
      told.map(({ message }) => message),
    )
    .where(({ not, exists, selectFrom }) =>
      not(exists(selectFrom('alertsOfMessages').select('alert').whereRef('message', '=', 'alertMessages.number'))),
    )
    .execute();
}
