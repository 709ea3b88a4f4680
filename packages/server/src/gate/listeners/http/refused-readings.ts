import type { Fingerprint, RefusedReadings, SubjectId } from '@portcullis/contract';
import { z } from 'zod';
import type { Sink } from '../../../storage/sink.ts';
import { timestamp } from '../../../telemetry/telemetry.ts';

const Query = z.strictObject({
  stream: z.string().max(64).optional(),
  subject: z.string().max(64).optional(),
  after: z
    .string()
    .regex(/^\d{1,16}$/)
    .optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
});

/** `GET /v1/readings/refused`: what was acknowledged over MQTT, and is kept as refused. */
export async function refusedReadings(
  { sink, gate }: { sink: Pick<Sink, 'refused'>; gate: SubjectId },
  query: Record<string, string>,
): Promise<RefusedReadings> {
  const { items, next } = await sink.refused(Query.parse(query));
  return {
    items: items.map(({ at, subject, certificate, ...rest }) => {
      const who = { subject: subject as SubjectId, certificate: certificate as Fingerprint };
      return { at: timestamp(at), gate, ...who, ...rest };
    }),
    next,
  };
}
