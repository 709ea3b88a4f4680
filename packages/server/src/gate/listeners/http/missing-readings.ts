import type { MissingReadings, StreamName, SubjectId } from '@portcullis/contract';
import { z } from 'zod';
import type { Sink } from '../../../storage/sink.ts';
import { timestamp } from '../../../telemetry/telemetry.ts';

const Query = z.strictObject({
  stream: z.string().max(64).optional(),
  subject: z.string().max(64).optional(),
  /** `1`: also runs of which nothing is missing here, for whoever looks at several gates. */
  all: z.enum(['1']).optional(),
  after: z
    .string()
    .regex(/^\d{1,16}$/)
    .optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
});

/** `GET /v1/readings/missing`: what senders counted and this gate never stored. */
export async function missingReadings(
  { sink, gate }: { sink: Pick<Sink, 'missing'>; gate: SubjectId },
  query: Record<string, string>,
): Promise<MissingReadings> {
  const { all, ...asked } = Query.parse(query);
  const { items, next } = await sink.missing({ ...asked, all: all !== undefined });
  return {
    items: items.map(({ subject, stream, receivedAt, missing, ...run }) => ({
      ...{ gate, subject: subject as SubjectId, stream: stream as StreamName },
      ...{ ...run, receivedAt: timestamp(receivedAt) },
      missing: missing.map(({ first, last, since }) => ({ first, last, since: timestamp(since) })),
    })),
    next,
  };
}
