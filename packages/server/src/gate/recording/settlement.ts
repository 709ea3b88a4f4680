import { SettlementAnswer } from '@portcullis/contract';
import { exchange, type Link, Spare, without } from '@portcullis/device';
import type { Lease } from '../../replica/replica.ts';
import type { Sink } from '../../storage/sink.ts';
import type { Log } from '../../telemetry/telemetry.ts';

interface Parts {
  authority: string;
  instance: string;
  link: Link;
  sink: Sink;
  log: Log;
  lease: Lease;
}

/**
 * Settles what an earlier process left between its commit and its look at the lease (rule 9). It runs under this instance's own
 * lease and before it reports anything, so that no receipt is given meanwhile that this one does not hold up.
 */
export async function settleLastBatches({ authority, instance, link, sink, log, lease }: Parts): Promise<void> {
  const unsettled = await sink.unsettled();
  if (unsettled.length === 0) return;
  const batches = unsettled.map(({ batch, judgedAt, head, subjects }) => ({
    batch,
    judgedAt,
    ...(head && { head }),
    subjects,
  }));
  const term = lease.term();
  const unbroken = () => term !== undefined && lease.term() === term;
  // An authority of an earlier version does not know of heads, and settles without.
  const answer = await new Spare('head').ask((lacking) => {
    const body = { instance, batches: batches.map((batch) => without(batch, lacking)) };
    return exchange(link, `${authority}/v1/settlements`, body, SettlementAnswer);
  });
  // Readable as unproven first: what is proven below was so while the lease held, however late that comes to be on disk.
  await sink.mark({ looked: unsettled.at(-1)?.batch ?? 0, quarantine: [], proven: 0, unproven: [] });
  for (const { batch } of unsettled) {
    const proven = answer.batches.some((one) => one.batch === batch && one.proven) && unbroken();
    await sink.settle(batch, proven ? 'proven' : 'unproven');
    if (proven) continue;
    log.warn(
      { batch },
      'unproven: the last batch of a process that died may have been judged on an older state, or on one that was lost; its rows say so',
    );
  }
}
